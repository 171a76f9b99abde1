#include "traces/convert/printable.h"
#include "traces/report/diff_report.h"
#include "traces/report/words.h"

#include <ostream>

#include <boost/json.hpp>

namespace chorus::report {
namespace {

namespace json = boost::json;
using compare::Diff;
using compare::Figures;
using compare::Finding;
using convert::printable;
using convert::printable_words;

// Half away from zero, so that a mirrored figure is the exact negative.
std::int64_t us(compare::Nanos time) {
  const std::int64_t ns = time.count();
  return (ns < 0 ? ns - 500 : ns + 500) / 1000;
}

template <class T>
json::value or_null(const std::optional<T>& value) {
  return value ? json::value(*value) : json::value(nullptr);
}
json::value side(const Finding& row, const std::optional<std::string>& text) {
  return text ? json::value(side_text(row, *text)) : json::value(nullptr);
}
json::value text(const std::string& bytes) {
  return bytes.empty() ? json::value(nullptr) : json::value(printable(bytes));
}
json::value time(const std::optional<compare::Nanos>& value) {
  return value ? json::value(us(*value)) : json::value(nullptr);
}

json::object finding(const Diff& diff, const Finding& row) {
  const compare::Place& place = row.place;
  return {{"rule", std::string(rule_name(row.rule))},
          {"where", where(diff, row)},
          {"a", side(row, row.a)},
          {"b", side(row, row.b)},
          {"change", row.change},
          {"interval", nullptr},
          {"verdict", "DIFFERS"},
          {"count", row.count},
          {"client", {{"a", or_null(place.client_a)}, {"b", or_null(place.client_b)}}},
          {"direction", place.from ? json::value(std::string(direction(*place.from))) : json::value(nullptr)},
          {"kind", text(place.kind)},
          {"time_us", {{"a", time(place.time_a)}, {"b", time(place.time_b)}}},
          {"after", {{"a", text(place.before_a)}, {"b", text(place.before_b)}}}};
}

json::value figures(const std::optional<Figures>& f) {
  if (!f) return nullptr;
  return {{"count", f->count},    {"unanswered", f->unanswered}, {"p50_us", us(f->p50)},
          {"p90_us", us(f->p90)}, {"p99_us", us(f->p99)},        {"max_us", us(f->max)}};
}

json::object timing(const compare::Timing& row) {
  return {{"rule", row.measure},    {"where", printable_words(row.what)}, {"a", figures(row.a)},
          {"b", figures(row.b)},    {"change", time(row.shift)},          {"interval", nullptr},
          {"verdict", "NOT_JUDGED"}};
}

json::object not_judged(const compare::NotJudged& row) {
  return {{"rule", row.what},
          {"where", nullptr},
          {"a", row.a},
          {"b", row.b},
          {"change", nullptr},
          {"interval", nullptr},
          {"verdict", "NOT_JUDGED"},
          {"why", printable_words(row.why)}};
}

json::object hidden(const compare::Hidden& row) {
  return {{"mask", std::string(mask_name(row.mask))},
          {"direction", std::string(direction(row.from))},
          {"kind", printable(row.kind)},
          {"a", row.a},
          {"b", row.b},
          {"hid", row.hid}};
}

json::object side(const compare::Extent& extent, const std::string& file) {
  return {{"file", printable_words(file)}, {"mode", extent.run ? "run" : "recording"},
          {"clients", extent.clients},     {"compared", extent.compared},
          {"sent", extent.sent},           {"received", extent.received}};
}

}  // namespace

void diff_json(std::ostream& out, const Diff& diff, const DiffFiles& files) {
  json::array reasons, findings, rows, masks;
  for (const std::string& reason : diff.reasons) reasons.emplace_back(printable_words(reason));
  for (const Finding& row : diff.findings) findings.push_back(finding(diff, row));
  for (const compare::NotJudged& row : diff.not_judged) rows.push_back(not_judged(row));
  for (const compare::Timing& row : diff.timing) rows.push_back(timing(row));
  for (const compare::Hidden& row : diff.hidden) masks.push_back(hidden(row));
  const json::object document{
      {"schema", "chorus.diff/1"},  {"verdict", std::string(verdict_name(diff.verdict))},
      {"reasons", reasons},         {"a", side(diff.a, files.a)},
      {"b", side(diff.b, files.b)}, {"findings", findings},
      {"not_judged", rows},         {"hidden", masks}};
  out << json::serialize(document) << '\n';
}

}  // namespace chorus::report
