// The fields of every kernel shape in the order of its text: one list for writer and reader.
#pragma once

#include "kernels/kernel_shape.hpp"

namespace forerun {

/// `visit(name, number)` for each number, `visit.optional(name, number)` for one that may be 0 and
/// is then left out, `visit(flag)` for layouts, masks and outputs. `s` is the shape or a const one;
/// the pointer only picks the overload.
void for_each_field(auto& s, GemmShape* /*tag*/, auto&& visit) {
  visit("m", s.m);
  visit("n", s.n);
  visit("k", s.k);
  visit(s.layout);
  visit(s.output);
}

void for_each_field(auto& s, AttentionKeyShape* /*tag*/, auto&& visit) {
  visit("batch", s.batch);
  visit("length", s.length);
  visit("heads", s.heads);
  visit("kv_heads", s.kv_heads);
  visit("head_size", s.head_size);
  visit(s.mask);
  visit.optional("keys", s.keys);
  visit.optional("offset", s.offset);
  visit.optional("window", s.window);
  visit.optional("value_size", s.value_size);
  visit(s.scores);
}

void for_each_field(auto& s, RowsShape* /*tag*/, auto&& visit) {
  visit("rows", s.rows);
  visit("columns", s.columns);
}

void for_each_field(auto& s, HeadsShape* /*tag*/, auto&& visit) {
  visit("tokens", s.tokens);
  visit("batch", s.batch);
  visit("heads", s.heads);
  visit("kv_heads", s.kv_heads);
  visit("head_size", s.head_size);
  visit.optional("rotary_size", s.rotary_size);
}

void for_each_field(auto& s, TableShape* /*tag*/, auto&& visit) {
  visit("tokens", s.tokens);
  visit("batch", s.batch);
  visit("columns", s.columns);
  visit("table_rows", s.table_rows);
}

void for_each_field(auto& s, GroupedGemmShape* /*tag*/, auto&& visit) {
  visit("groups", s.groups);
  visit("rows", s.rows);
  visit("largest", s.largest);
  visit("n", s.n);
  visit("k", s.k);
  visit(s.layout);
  visit(s.output);
}

void for_each_field(auto& s, DecodeShape* /*tag*/, auto&& visit) {
  visit("batch", s.batch);
  visit("context", s.context);
  visit("heads", s.heads);
  visit("kv_heads", s.kv_heads);
  visit("head_size", s.head_size);
  visit.optional("value_size", s.value_size);
}

void for_each_field(auto& s, RouterShape* /*tag*/, auto&& visit) {
  visit("tokens", s.tokens);
  visit("experts", s.experts);
  visit("top_k", s.top_k);
}

void for_each_field(auto& s, PermuteShape* /*tag*/, auto&& visit) {
  visit("tokens", s.tokens);
  visit("top_k", s.top_k);
  visit("columns", s.columns);
}

void for_each_field(auto& s, ConvShape* /*tag*/, auto&& visit) {
  visit("batch", s.batch);
  visit("length", s.length);
  visit("channels", s.channels);
  visit("width", s.width);
}

void for_each_field(auto& s, SsdShape* /*tag*/, auto&& visit) {
  visit("batch", s.batch);
  visit("length", s.length);
  visit("heads", s.heads);
  visit("head_size", s.head_size);
  visit("groups", s.groups);
  visit("state", s.state);
  visit("chunk", s.chunk);
}

void for_each_field(auto& s, ScanShape* /*tag*/, auto&& visit) {
  visit("batch", s.batch);
  visit("length", s.length);
  visit("channels", s.channels);
  visit("state", s.state);
}

void for_each_field(auto& s, DeltaShape* /*tag*/, auto&& visit) {
  visit("batch", s.batch);
  visit("length", s.length);
  visit("heads", s.heads);
  visit("key_heads", s.key_heads);
  visit("key_size", s.key_size);
  visit("value_size", s.value_size);
  visit("chunk", s.chunk);
}

void for_each_field(auto& s, GroupedRowsShape* /*tag*/, auto&& visit) {
  visit("rows", s.rows);
  visit("columns", s.columns);
  visit("groups", s.groups);
}

void for_each_field(auto& s, ColumnsShape* /*tag*/, auto&& visit) {
  visit("rows", s.rows);
  visit("columns", s.columns);
  visit("width", s.width);
  visit.optional("first", s.first);
}

void for_each_field(auto& s, LatentHeadsShape* /*tag*/, auto&& visit) {
  visit("tokens", s.tokens);
  visit("batch", s.batch);
  visit("heads", s.heads);
  visit("nope_size", s.nope_size);
  visit("rope_size", s.rope_size);
  visit("value_size", s.value_size);
}

void for_each_field(auto& s, FlatShape* /*tag*/, auto&& visit) {
  visit("elements", s.elements);
}

}  // namespace forerun
