// A chart's zoom for those who use no mouse.

/** The part of the whole, in percent, that a key leaves of [start, end]; null for other keys. */
function window_after(key, start, end) {
  const step = (end - start) / 4;
  if (key === "+" || key === "=") return [start + step, end - step];
  if (key === "-") return [Math.max(start - 2 * step, 0), Math.min(end + 2 * step, 100)];
  if (key === "ArrowLeft") return [start - Math.min(step, start), end - Math.min(step, start)];
  if (key === "ArrowRight") {
    const left = Math.min(step, 100 - end);
    return [start + left, end + left];
  }
  return key === "0" ? [0, 100] : null;
}

/** Plus and minus zoom, arrows move, nought shows all; `chart()` is the one in `box` at present. */
export function zoomed_by_keys(box, chart) {
  box.tabIndex = 0;
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const [{ start, end }] = chart().getOption().dataZoom;
    const part = window_after(event.key, start, end);
    if (!part) return;
    event.preventDefault();
    chart().dispatchAction({ type: "dataZoom", start: part[0], end: part[1] });
  });
}
