// What the names of measured keys say: "gemm bf16 m=256 n=768 k=50304 nn".

/** { kind, type, and every NAME=NUMBER of the key }. */
export function key_fields(key) {
  const [kind, ...rest] = key.split(" ");
  const fields = { kind, rest: [] };
  for (const word of rest) {
    const [name, value] = word.split("=");
    if (value === undefined) fields.rest.push(word);
    else fields[name] = /^-?\d+$/.test(value) ? Number(value) : value;
  }
  fields.type = fields.rest[0] ?? "";
  return fields;
}
