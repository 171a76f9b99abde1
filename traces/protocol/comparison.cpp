// What two recordings of the same thing never agree on (a server's start date, its statistics, the order of a
// list): the page names it, `chorus diff` leaves it out and says what that hid. Reading and use stand
// together here; nothing else needs either.
#include "traces/protocol/page_reader.h"

#include <algorithm>

namespace chorus::protocol {

void PageReader::compare(Section& section) {
  const auto set = [&](const char* key, Comparison comparison) {
    for (const KindId kind : kinds_of(section, key))
      for (const Side side : {Side::client, Side::server}) page_.rules_of(side, kind).comparison = comparison;
  };
  set("kind_only", Comparison::kind_only);
  set("ignored", Comparison::ignored);
  for (Section& masked : section.sections("masked")) {
    const auto kinds = required_kinds(masked, "kinds");
    if (masked.has("pattern") == masked.has("field"))
      masked.wrong("pattern", "or field must say what is left out of the comparison, one of both");
    const auto side_wanted = masked.choice("from", {"client", "server", "both"}).value_or(2);
    auto hides = pattern(masked, "pattern");
    if (hides && hides->group_count() == 0)
      masked.wrong("pattern", "needs groups in parentheses: what is left out of the comparison");
    if (hides) page_.masks.push_back(std::make_unique<Pattern>(std::move(*hides)));
    const auto field = masked.text("field");
    for (const KindId kind : kinds) {
      bool known = !field;
      for (const Side side : {Side::client, Side::server}) {
        if (side_wanted != 2 && side_wanted != static_cast<std::size_t>(side)) continue;
        if (hides) page_.rules_of(side, kind).masks.push_back(page_.masks.back().get());
        const FieldRule* rule = field ? field_named(side, kind, *field) : nullptr;
        if (rule != nullptr) page_.rules_of(side, kind).masked_fields.push_back(rule);
        known = known || rule != nullptr;
      }
      if (!known) masked.wrong("field", "names no field of " + page_.kind_names[kind] + ": " + *field);
    }
    masked.finish();
  }
  section.finish();
}

Comparison Page::comparison(Side from, KindId kind) const noexcept {
  const KindRules* rules = impl_->find_rules(from, kind);
  return rules ? rules->comparison : Comparison::exact;
}

void Page::mask_field(const FieldRule& rule, Side from, Bytes message, std::vector<FieldSpan>& out) const {
  Field field;
  if (impl_->find(rule, from, message, field)) out.push_back(field.span);
}

void Page::masked(Side from, KindId kind, Bytes message, std::vector<FieldSpan>& out) const {
  const KindRules* rules = impl_->find_rules(from, kind);
  if (!rules) return;
  const std::size_t first = out.size();
  // What is written anew, what was handed out for that, and secrets differ by themselves.
  for (const Writing* writing : rules->writings) mask_field(*writing->field, from, message, out);
  for (const auto& [variable, field] : rules->extracts) mask_field(*field, from, message, out);
  for (const FieldRule* field : rules->masked_fields) mask_field(*field, from, message, out);
  for (const FieldRule* field : rules->fields)
    if (field->shape.role == Role::secret) mask_field(*field, from, message, out);
  if (rules->masks.empty() && out.size() == first) return;
  const Bytes body = without_delimiter(framing(from), message);
  for (const Pattern* mask : rules->masks) {
    const auto groups = mask->groups(body);
    for (std::size_t i = 1; i < groups.size(); ++i)
      if (!groups[i].empty())
        out.push_back({static_cast<std::size_t>(groups[i].data() - body.data()), groups[i].size()});
  }
  std::sort(out.begin() + static_cast<std::ptrdiff_t>(first), out.end(),
            [](const FieldSpan& x, const FieldSpan& y) { return x.at < y.at; });
}

}  // namespace chorus::protocol
