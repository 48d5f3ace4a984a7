// Elements out of data: text stays text, whatever it says.

/** h("p", { class: "note" }, "text", child...): attributes that start with "on" are listeners. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) {
      element.addEventListener(name.slice(2), value);
    } else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(
    ...children.flat(Infinity).filter((child) => child !== null && child !== undefined),
  );
  return element;
}

/** What a tooltip holds: a title and lines of label and value. */
export function tip(title, lines) {
  return h(
    "div",
    { class: "tip" },
    h("strong", {}, title),
    h(
      "dl",
      {},
      lines.flatMap(([label, value]) => [h("dt", {}, label), h("dd", {}, value)]),
    ),
  );
}

/** Facts as a list of label and value. */
export function facts(pairs) {
  return h(
    "dl",
    { class: "facts" },
    pairs
      .filter(([, value]) => value !== null && value !== undefined && value !== "–")
      .map(([label, value]) => h("div", {}, h("dt", {}, label), h("dd", {}, value))),
  );
}

/** Notes that a result carries, folded when there are many. */
export function notes(list, title = "Notes") {
  if (!list?.length) return null;
  return h(
    "details",
    { class: "notes", open: list.length < 4 },
    h("summary", {}, `${title} (${list.length})`),
    h(
      "ul",
      {},
      list.map((note) => h("li", {}, note)),
    ),
  );
}
