// Tables that sort by any column and filter by any word, a page of rows at a time.
import { h } from "./dom.js";
import { text_of } from "./format.js";

const page_rows = 50;

function compare(a, b) {
  const missing = (value) => value === null || value === undefined;
  if (missing(a) || missing(b)) return missing(a) - missing(b);
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}

/** Rows as objects out of { columns, rows }, the form in which long lists come. */
export function records(list) {
  if (!list || Array.isArray(list)) return list ?? [];
  return list.rows.map((row) => Object.fromEntries(list.columns.map((name, i) => [name, row[i]])));
}

class Table {
  constructor(columns, rows, caption) {
    this.columns = columns;
    this.rows = rows;
    this.shown = page_rows;
    this.order = null;
    this.words = [];
    this.body = h("tbody");
    this.status = h("p", { class: "status", role: "status" });
    this.more = h("button", { type: "button", onclick: () => this.show_more() }, "More rows");
    this.heads = columns.map((column, i) => this.head(column, i));
    this.element = h(
      "div",
      { class: "table" },
      rows.length > 8 ? this.filter_box(caption) : null,
      h(
        "div",
        { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
        h(
          "table",
          {},
          h("caption", { class: "hidden" }, caption),
          h("thead", {}, h("tr", {}, this.heads)),
          this.body,
        ),
      ),
      this.left_out(),
      this.status,
      this.more,
    );
    this.render();
  }

  /** Names the columns that paper has no room for. */
  left_out() {
    const names = this.columns.filter(({ paper }) => paper === false).map(({ label }) => label);
    if (!names.length) return null;
    return h("p", { class: "note only-paper" }, `On the screen also: ${names.join(", ")}.`);
  }

  filter_box(caption) {
    const input = h("input", {
      type: "search",
      placeholder: "every word must occur",
      oninput: () => {
        this.words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
        this.shown = page_rows;
        this.render();
      },
    });
    return h("label", { class: "filter" }, h("span", {}, `Filter ${caption.toLowerCase()}`), input);
  }

  head(column, index) {
    const button = h(
      "button",
      { type: "button", onclick: () => this.sort_by(index) },
      column.label,
    );
    return h("th", { scope: "col", class: this.class_of(column) }, button);
  }

  class_of(column) {
    const names = [
      this.is_number(column) && "number",
      column.paper === false && "screen",
      column.is_one_line && "line",
    ];
    return names.filter(Boolean).join(" ") || null;
  }

  is_number(column) {
    return column.kind !== undefined && column.kind !== "text";
  }

  sort_by(index) {
    const descending = this.order?.index === index && !this.order.descending;
    this.order = { index, descending };
    this.heads.forEach((head, i) => {
      if (i === index) head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    this.render();
  }

  show_more() {
    this.shown += 500;
    this.render();
  }

  matches(row) {
    const text = this.columns
      .map((column) => text_of(row[column.key], column.kind))
      .join(" ")
      .toLowerCase();
    return this.words.every((word) => text.includes(word));
  }

  selected() {
    const rows = this.words.length ? this.rows.filter((row) => this.matches(row)) : [...this.rows];
    if (!this.order) return rows;
    const { key } = this.columns[this.order.index];
    const sign = this.order.descending ? -1 : 1;
    return rows.sort((a, b) => {
      const missing = (row) => row[key] === null || row[key] === undefined;
      return missing(a) || missing(b) ? compare(a[key], b[key]) : sign * compare(a[key], b[key]);
    });
  }

  render() {
    const rows = this.selected();
    this.body.replaceChildren(...rows.slice(0, this.shown).map((row) => this.line(row)));
    const shown = Math.min(this.shown, rows.length);
    const is_whole = shown === this.rows.length;
    this.status.textContent = is_whole ? "" : `${shown} of ${rows.length} rows`;
    if (rows.length < this.rows.length) {
      this.status.textContent += `, ${this.rows.length} without the filter`;
    }
    this.more.hidden = rows.length <= this.shown;
  }

  line(row) {
    return h(
      "tr",
      {},
      this.columns.map((column) => {
        const value = row[column.key];
        const is_number = this.is_number(column);
        const title = is_number && typeof value === "number" ? String(value) : null;
        return h("td", { class: this.class_of(column), title }, text_of(value, column.kind));
      }),
    );
  }
}

/**
 * `columns`: { key, label, kind }; `rows`: objects with those keys. Kind "mixed": texts that are
 * numbers of one unit or another. A column with `paper: false` is left out on paper, which is
 * narrow; one with `is_one_line` does not wrap.
 */
export function table(columns, rows, caption) {
  const used = columns.filter(({ key }) =>
    rows.some((row) => row[key] !== null && row[key] !== undefined && row[key] !== ""),
  );
  return new Table(used, rows, caption).element;
}

/** One column a result: how several of a kind differ. `rows`: [label, kind, value of a result]. */
export function comparison(results, rows, caption) {
  const line = ([label, kind, value]) => {
    const values = results.map((result) => value(result.document));
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, label),
      values.map((one, i) =>
        h(
          "td",
          { class: "number" },
          text_of(one, kind),
          kind === "integer" ? null : change(values, i),
        ),
      ),
    );
  };
  const heads = results.map((result) => h("th", { scope: "col", class: "number" }, result.name));
  return h(
    "div",
    { class: "table whole" },
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
      h(
        "table",
        {},
        h("caption", {}, caption),
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, ""), heads)),
        h("tbody", {}, rows.map(line)),
      ),
    ),
  );
}

/** How far value `i` lies from the first, where both are numbers. */
function change(values, i) {
  const [first] = values;
  const known = typeof first === "number" && typeof values[i] === "number" && first !== 0;
  if (i === 0 || !known || first === values[i]) return null;
  return h("small", {}, ` ${text_of(values[i] / first - 1, "+%")}`);
}
