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
    masked.require("pattern");
    auto hides = pattern(masked, "pattern");
    if (hides && hides->group_count() == 0)
      masked.wrong("pattern", "needs groups in parentheses: what is left out of the comparison");
    if (hides) page_.masks.push_back(std::make_unique<Pattern>(std::move(*hides)));
    for (const KindId kind : kinds)
      for (const Side side : {Side::client, Side::server})
        if (hides) page_.rules_of(side, kind).masks.push_back(page_.masks.back().get());
    masked.finish();
  }
  section.finish();
}

Comparison Page::comparison(Side from, KindId kind) const noexcept {
  const KindRules* rules = impl_->find_rules(from, kind);
  return rules ? rules->comparison : Comparison::exact;
}

void Page::masked(Side from, KindId kind, Bytes message, std::vector<FieldSpan>& out) const {
  const KindRules* rules = impl_->find_rules(from, kind);
  if (!rules || rules->masks.empty()) return;
  const Bytes body = without_delimiter(framing(from), message);
  const std::size_t first = out.size();
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
