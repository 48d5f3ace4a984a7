// Several profiles in one chart: how two clusters, or two versions of one, differ.
import { axis, figure } from "./chart.js";
import { curves } from "./curves.js";
import { tip } from "./dom.js";
import { text_of, ticks, words } from "./format.js";
import { guide_line, powers_around, scatters } from "./marks.js";

function family(kind) {
  if (kind === "gemm") return "products";
  return kind.includes("attention") ? "attention" : "other kernels";
}

function times({ kernels, collectives }) {
  return [
    ...kernels.map((row) => ({ ...row, family: family(row.kind) })),
    ...collectives.map((row) => ({ ...row, family: "collectives" })),
  ];
}

/** What the first profile and another both measured: the time of one over that of the other. */
function times_against(profiles) {
  const [first, ...others] = profiles;
  const before = new Map(times(first).map((row) => [row.key, row]));
  const rows = others.flatMap((other) =>
    times(other)
      .filter(({ key, median_s }) => median_s > 0 && before.get(key)?.median_s > 0)
      .map((row) => {
        const first_s = before.get(row.key).median_s;
        const group = others.length > 1 ? `${row.family}: ${other.name}` : row.family;
        return { ...row, profile: other.name, group, first_s, ratio: row.median_s / first_s };
      }),
  );
  if (!rows.length) return null;
  const groups = [...new Set(rows.map(({ group }) => group))];
  const sets = groups.map((group) => rows.filter((row) => row.group === group));
  const ends = powers_around(rows.flatMap(({ first_s, median_s }) => [first_s, median_s]));
  const name = others.length > 1 ? "another profile" : others[0].name;
  return figure({
    title: `The same kernels and collectives: ${first.name} and ${name}`,
    note: "Above the line they take longer than in the first profile.",
    height: 420,
    marks: rows.length,
    data: {
      columns: [
        { key: "key", label: "kernel or collective" },
        ...(others.length > 1 ? [{ key: "profile", label: "profile" }] : []),
        { key: "first_s", label: first.name, kind: "s" },
        { key: "median_s", label: name, kind: "s" },
        { key: "ratio", label: "times as long", kind: "x" },
      ],
      rows,
    },
    option: (colours) => ({
      legend: true,
      xAxis: axis(colours, { type: "log", name: first.name, ...ends, axisLabel: ticks("s") }),
      yAxis: axis(colours, {
        type: "log",
        name,
        nameGap: 56,
        ...ends,
        axisLabel: ticks("s"),
      }),
      tooltip: {
        formatter: ({ seriesIndex, dataIndex }) => {
          const row = sets[seriesIndex]?.[dataIndex];
          return row
            ? tip(row.key, [
                [first.name, text_of(row.first_s, "s")],
                [row.profile, text_of(row.median_s, "s")],
                ["times as long", text_of(row.ratio, "x")],
              ])
            : "";
        },
      },
      series: [
        ...scatters(sets, groups, ({ first_s, median_s }) => [first_s, median_s]),
        guide_line(
          colours,
          [
            [ends.min, ends.min],
            [ends.max, ends.max],
          ],
          1,
        ),
      ],
    }),
  });
}

/** Bus bandwidth over size of every profile, of the largest group that it measured. */
function bandwidths_together(profiles) {
  const measured = profiles.map(({ name, collectives }) => {
    const known = collectives.filter(({ bytes, busbw_bytes_per_s: rate }) => bytes > 0 && rate > 0);
    const largest = (kind) =>
      Math.max(...known.filter((row) => row.kind === kind).map(({ ranks }) => ranks));
    return known
      .filter(({ kind, ranks, concurrent }) => ranks === largest(kind) && concurrent === 1)
      .map((row) => ({ ...row, profile: name }));
  });
  const of_all = measured
    .flat()
    .filter(({ kind, type }) =>
      measured.every((one) => one.some((row) => row.kind === kind && row.type === type)),
    );
  // A format more would be a curve more for each collective, over the same links.
  const count = (type) => of_all.filter((row) => row.type === type).length;
  const [type] = of_all.map((row) => row.type).sort((a, b) => count(b) - count(a));
  const rows = of_all
    .filter((row) => row.type === type)
    .map((row) => ({ ...row, group: `${words(row.kind)} ${row.ranks} ranks: ${row.profile}` }))
    .sort((a, b) => a.kind.localeCompare(b.kind));
  if (!rows.length) return null;
  const kinds = [...new Set(rows.map(({ kind }) => kind))];
  const names = profiles.map(({ name }) => name);
  return curves({
    title: "Bus bandwidth side by side",
    note:
      `A colour a collective, a stroke a profile. Of what all profiles measured, in ${type}, among ` +
      "the most ranks that each has.",
    rows,
    columns: [
      { key: "profile", label: "profile" },
      { key: "key", label: "collective" },
      { key: "bytes", label: "size", kind: "B" },
      { key: "busbw_bytes_per_s", label: "bus bandwidth", kind: "B/s" },
    ],
    x: ["bytes", "B", "size"],
    y: ["busbw_bytes_per_s", "B/s", "bus bandwidth"],
    y_type: "log",
    look_of: ({ kind, profile }, i) => [kinds.indexOf(kind), i, names.indexOf(profile)],
    lines: (row) => [
      ["profile", row.profile],
      ["bus bandwidth", text_of(row.busbw_bytes_per_s, "B/s")],
    ],
  });
}

/** `profiles`: { name, kernels, collectives } with the fields of their keys. */
export function profiles_together(profiles) {
  return [times_against(profiles), bandwidths_together(profiles)];
}
