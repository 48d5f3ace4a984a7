// How a measured cluster is wired: levels, distances between ranks, stragglers.
import { axis, figure } from "./chart.js";
import { h, notes, tip } from "./dom.js";
import { text_of, words } from "./format.js";
import { records, table } from "./table.js";
import { sequential } from "./theme.js";

const level_columns = [
  { key: "name", label: "level" },
  { key: "devices", label: "devices", kind: "integer" },
  { key: "latency_s", label: "latency", kind: "s" },
  { key: "bandwidth_bytes_per_s", label: "bandwidth", kind: "B/s" },
  { key: "bandwidth_alone_bytes_per_s", label: "of a pair alone", kind: "B/s" },
  { key: "fit_error", label: "error of the fit", kind: "%" },
  { key: "pairs", label: "pairs", kind: "integer" },
  { key: "confidence", label: "confidence", kind: "%" },
];

/** The groups of all levels as a tree, the outermost its root. */
function tree_of(levels, ranks, hosts) {
  const leaf = (rank) => ({
    name: `rank ${rank}`,
    what: hosts[rank] ?? "",
  });
  const inner = levels.filter(({ groups }) => groups?.length);
  let nodes = Array.from({ length: ranks }, (_, rank) => ({ members: [rank], node: leaf(rank) }));
  for (const level of inner) {
    nodes = level.groups.map((members, i) => ({
      members,
      node: {
        name: `${level.name}${level.groups.length > 1 ? ` ${i}` : ""}`,
        what: `${text_of(level.bandwidth_bytes_per_s, "B/s")}, ${text_of(level.latency_s, "s")}`,
        children: nodes
          .filter((child) => members.includes(child.members[0]))
          .map(({ node }) => node),
      },
    }));
  }
  return nodes.length === 1
    ? nodes[0].node
    : { name: "cluster", what: `${ranks} ranks`, children: nodes.map(({ node }) => node) };
}

function tree_chart(name, topology, levels) {
  const { ranks, hosts } = topology;
  if (ranks > 512) return null;
  return figure({
    title: `Topology as a tree: ${name}`,
    height: Math.min(120 + 26 * ranks, 800),
    marks: ranks,
    data: { columns: level_columns, rows: levels },
    option: (colours) => ({
      tooltip: { formatter: ({ data }) => tip(data.name, [["", data.what]]) },
      series: [
        {
          type: "tree",
          left: 70,
          right: 70,
          top: 16,
          bottom: 16,
          roam: false,
          expandAndCollapse: false,
          symbolSize: 9,
          lineStyle: { color: colours.muted },
          itemStyle: { color: colours.palette[0] },
          label: { color: colours.ink, position: "top", distance: 6 },
          leaves: { label: { position: "right" } },
          data: [tree_of(levels, ranks, hosts)],
        },
      ],
    }),
  });
}

function with_error(value, kind, error) {
  return text_of(value, kind) + (error > 0 ? ` ± ${text_of(error, "%")}` : "");
}

function matrix_chart(name, pairs, ranks, key, kind, title) {
  const values = pairs.map((pair) => Math.log10(pair[key]));
  const names = Array.from({ length: ranks }, (_, rank) => String(rank));
  const cells = pairs.flatMap((pair, i) => {
    const [a, b] = pair.ranks;
    return [
      [a, b, values[i], i],
      [b, a, values[i], i],
    ];
  });
  const low = Math.min(...values);
  const high = Math.max(...values);
  const has_texts = ranks <= 8;
  return figure({
    title: `${title} between ranks: ${name}`,
    note: has_texts
      ? null
      : `From dark, ${text_of(10 ** low, kind)}, to bright, ${text_of(10 ** high, kind)}.`,
    height: Math.min(150 + 22 * ranks, 520),
    marks: cells.length,
    data: {
      columns: [
        { key: "pair", label: "ranks" },
        { key: "latency_s", label: "latency", kind: "s" },
        { key: "latency_error", label: "error", kind: "%" },
        { key: "bandwidth_bytes_per_s", label: "bandwidth", kind: "B/s" },
        { key: "bandwidth_error", label: "error", kind: "%" },
      ],
      rows: pairs.map((pair) => ({ ...pair, pair: pair.ranks.join(" – ") })),
    },
    option: (colours) => ({
      xAxis: axis(colours, { type: "category", data: names, name: "rank" }),
      yAxis: axis(colours, { type: "category", data: names, inverse: true, name: "rank" }),
      visualMap: {
        show: false,
        dimension: 2,
        min: low,
        max: high > low ? high : low + 1,
        inRange: { color: sequential },
      },
      tooltip: {
        formatter: ({ value }) => {
          const pair = pairs[value[3]];
          return tip(`ranks ${pair.ranks.join(" and ")}`, [
            ["latency", with_error(pair.latency_s, "s", pair.latency_error)],
            ["bandwidth", with_error(pair.bandwidth_bytes_per_s, "B/s", pair.bandwidth_error)],
          ]);
        },
      },
      series: [
        {
          type: "heatmap",
          label: {
            show: has_texts,
            color: "#000000",
            backgroundColor: "rgba(255,255,255,0.75)",
            padding: [2, 4],
            formatter: ({ value }) => text_of(10 ** value[2], kind),
          },
          data: cells,
        },
      ],
    }),
  });
}

function slow_parts(measured) {
  const rows = [
    ...measured.stragglers.map((one) => ({ what: `rank ${one.rank} on ${one.host}`, ...one })),
    ...measured.slow_links.map((one) => ({
      what: `link ${one.ranks.join(" – ")} of ${one.level}`,
      ...one,
    })),
  ];
  if (!rows.length)
    return h("p", { class: "note wide" }, "No rank and no link stands out as slow.");
  const columns = [
    { key: "what", label: "straggler" },
    { key: "latency_factor", label: "latency", kind: "x" },
    { key: "bandwidth_factor", label: "bandwidth", kind: "x" },
  ];
  return h("div", { class: "wide" }, h("h4", {}, "Stragglers"), table(columns, rows, "Stragglers"));
}

export function topology_charts({ name, document: d }) {
  const { topology } = d;
  const { measured } = topology;
  const levels = measured?.levels ?? topology.levels;
  const tables = levels.length
    ? h(
        "div",
        { class: "wide" },
        h("h4", {}, "Levels of links"),
        table(level_columns, levels, words("levels")),
      )
    : null;
  if (!measured) return [tables];
  const pairs = records(measured.pairs);
  const { total } = measured.pairs;
  return [
    tree_chart(name, topology, levels),
    pairs.length
      ? matrix_chart(name, pairs, topology.ranks, "bandwidth_bytes_per_s", "B/s", "Bandwidth")
      : null,
    pairs.length ? matrix_chart(name, pairs, topology.ranks, "latency_s", "s", "Latency") : null,
    total > pairs.length
      ? h("p", { class: "note wide" }, `Of ${total} pairs of ranks the first ${pairs.length}.`)
      : null,
    tables,
    slow_parts(measured),
    notes(measured.findings, "Findings"),
  ];
}
