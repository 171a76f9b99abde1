#include "traces/convert/printable.h"
#include "traces/convert/table.h"
#include "traces/report/diff_report.h"
#include "traces/report/words.h"

#include <algorithm>
#include <map>
#include <ostream>

namespace chorus::report {
namespace {

using compare::Diff;
using compare::Figures;
using compare::Finding;
using compare::Rule;
using compare::Verdict;
using convert::brief;
using convert::printable;
using convert::printable_words;
using convert::Table;

constexpr std::size_t text_width = 84;  // of a message's text, so that a line fits 100 columns
constexpr std::size_t shown = 5;        // findings of a rule, rows of offsets

std::string_view explained(Rule rule) {
  switch (rule) {
    case Rule::connections:
      return "the number of connections";
    case Rule::outcome:
      return "clients did not end as recorded";
    case Rule::divergence:
      return "clients went another way";
    case Rule::fanout:
      return "deliveries did not come";
    case Rule::ending:
      return "connections ended otherwise";
    case Rule::framing:
      return "framing";
    case Rule::missing:
      return "missing: only A has it";
    case Rule::extra:
      return "extra: only B has it";
    case Rule::duplicate:
      return "duplicate: B has it more often";
    case Rule::payload:
      return "changed: the same place, another content";
    case Rule::reordered:
      return "out of order, among messages of one sender";
    case Rule::bytes:
      return "bytes differ from here on";
  }
  return "";
}

std::string extent(const compare::Extent& extent) {
  const std::string what = extent.run ? " client" : " connection";
  return (extent.run ? "run, " : "recording, ") + std::to_string(extent.clients) + what +
         (extent.clients == 1 ? "" : "s");
}

class Sheet {
 public:
  Sheet(std::ostream& out, const Diff& diff, const DiffFiles& files, bool colour)
      : out_(out), diff_(diff), files_(files), colour_(colour) {}

  void print() {
    head();
    findings();
    timing();
    hidden();
    not_judged();
  }

 private:
  void head() {
    const std::string line = headline(diff_);
    const std::size_t word = line.find(':');
    const char* colour = diff_.verdict == Verdict::same           ? "\x1b[32m"
                         : diff_.verdict == Verdict::inconclusive ? "\x1b[33m"
                                                                  : "\x1b[31m";
    out_ << (colour_ ? colour : "") << line.substr(0, word) << (colour_ ? "\x1b[0m" : "") << line.substr(word)
         << "\n";
    Table table("lll");
    table.row({"A", files_.a, extent(diff_.a)});
    table.row({"B", files_.b, extent(diff_.b)});
    table.print(out_);
  }

  void findings() {
    std::map<Rule, std::vector<const Finding*>> rules;
    for (const Finding& finding : diff_.findings) rules[finding.rule].push_back(&finding);
    for (const auto& [rule, list] : rules) {
      out_ << "\n" << explained(rule) << " (" << list.size() << ")\n";
      for (std::size_t i = 0; i < std::min(list.size(), shown); ++i) finding(*list[i]);
      if (list.size() > shown) out_ << "  and " << list.size() - shown << " more (--json lists them)\n";
    }
  }

  void finding(const Finding& finding) {
    const std::string place = where(diff_, finding);
    if (!place.empty()) out_ << "  " << place << "\n";
    const std::string& before = finding.a ? finding.place.before_a : finding.place.before_b;
    if (!before.empty()) out_ << "    after  " << printable(before, text_width) << "\n";
    if (finding.rule == Rule::reordered) {
      out_ << "           " << side_text(finding, *finding.a, text_width) << "\n    in B   "
           << (finding.change < 0 ? -finding.change : finding.change)
           << (finding.change < 0 ? " places earlier" : " places later") << "\n";
      return;
    }
    if (finding.rule == Rule::payload && finding.a && finding.b) return changed(*finding.a, *finding.b);
    if (finding.a) out_ << "    A      " << side_text(finding, *finding.a, text_width) << "\n";
    if (finding.b) out_ << "    B      " << side_text(finding, *finding.b, text_width) << "\n";
  }

  // Both lines from shortly before the place where they part, if that would not be seen otherwise.
  void changed(const std::string& a, const std::string& b) {
    constexpr std::size_t context = 24;
    const auto parts =
        static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
    const std::size_t from = parts > text_width - context ? parts - context : 0;
    const std::string cut = from > 0 ? "..." : "";
    out_ << "    A      " << cut << printable(a.substr(from), text_width - cut.size()) << "\n";
    out_ << "    B      " << cut << printable(b.substr(from), text_width - cut.size()) << "\n";
  }

  // A quantile among whose values some never got their answer is only known to be at least that.
  static std::string quantile(const Figures& f, compare::Nanos value, double share) {
    const bool least = static_cast<double>(f.unanswered) > static_cast<double>(f.count) * (1 - share);
    return (least ? ">=" : "") + brief(value);
  }
  static void side(const std::optional<Figures>& f, std::vector<std::string>& cells) {
    if (!f) {
      cells.insert(cells.end(), {"-", "", ""});
      return;
    }
    cells.push_back(std::to_string(f->count));
    cells.push_back(quantile(*f, f->p50, 0.5));
    cells.push_back(quantile(*f, f->p99, 0.99));
  }

  void timing() {
    if (diff_.timing.empty()) return;
    out_ << "\ntiming (shown, not judged)\n";
    Table table("lrrrrrrr");
    table.row({"", "A: count", "p50", "p99", "B: count", "p50", "p99", "change"});
    std::size_t offsets = 0;
    for (const compare::Timing& row : diff_.timing) {
      if (row.measure == "offset" && ++offsets > shown) continue;
      std::vector<std::string> cells{row.measure +
                                     (row.what.empty() ? "" : " " + printable_words(row.what, 32))};
      side(row.a, cells);
      side(row.b, cells);
      cells.push_back(row.shift ? (row.shift->count() > 0 ? "+" : "") + brief(*row.shift) : "");
      table.row(std::move(cells));
    }
    table.print(out_);
    if (offsets > shown) out_ << "  and offsets of " << offsets - shown << " more (--json lists them)\n";
  }

  void hidden() {
    if (diff_.hidden.empty()) return;
    out_ << "\nhidden by the page\n";
    Table table("rlll");
    for (const compare::Hidden& row : diff_.hidden)
      table.row({std::to_string(row.hid), printable(row.kind), std::string(direction(row.from)),
                 std::string(mask_name(row.mask)) + ", of " + std::to_string(row.a) + " in A and " +
                     std::to_string(row.b) + " in B"});
    table.print(out_);
  }

  void not_judged() {
    if (diff_.not_judged.empty()) return;
    out_ << "\nnot judged\n";
    for (const compare::NotJudged& row : diff_.not_judged) {
      out_ << "  " << row.what;
      if (row.a > 1 || row.b > 1) out_ << " (" << row.a << " in A, " << row.b << " in B)";
      out_ << ": " << printable_words(row.why) << "\n";
    }
  }

  std::ostream& out_;
  const Diff& diff_;
  const DiffFiles& files_;
  bool colour_;
};

}  // namespace

void diff_text(std::ostream& out, const Diff& diff, const DiffFiles& files, bool colour) {
  Sheet(out, diff, files, colour).print();
}

}  // namespace chorus::report
