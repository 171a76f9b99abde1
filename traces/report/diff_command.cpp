#include "traces/report/diff_command.h"

#ifdef _WIN32
#include <io.h>
#else
#include <unistd.h>
#endif

#include "traces/convert/printable.h"
#include "traces/convert/standard_output.h"
#include "traces/protocol/conversation.h"
#include "traces/protocol/left_out.h"
#include "traces/report/diff_report.h"

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>

#include <CLI/CLI.hpp>

namespace chorus::report {
namespace {

using compare::Diff;
using compare::Verdict;

struct Arguments {
  std::vector<std::string> files, more;
  std::string protocol;
  bool json = false, allow_partial = false, strict = false;
};

bool colour_wanted() {
  const char* no_colour = std::getenv("NO_COLOR");
  if (no_colour && *no_colour) return false;
#ifdef _WIN32
  return false;  // older consoles print the escapes themselves
#else
  return isatty(fileno(stdout)) != 0;
#endif
}

// A run carries its page; else what either side is recognised as.
Expected<protocol::Page> page_for(const format::Trace& a, const format::Trace& b, const std::string& name) {
  if (!name.empty()) return protocol::Page::find(name);
  auto of_a = protocol::recognise(a), of_b = protocol::recognise(b);
  if (!of_a) return of_a.error();
  if (!of_b) return of_b.error();
  if (b.is_run() && !a.is_run()) return std::move(of_b->page);
  if (a.is_run() && !b.is_run()) return std::move(of_a->page);
  if (of_a->page.is_raw()) return std::move(of_b->page);
  if (!of_b->page.is_raw() && of_a->page.name() != of_b->page.name())
    return Trouble{a.path.string() + " is " + std::string(of_a->page.name()) + " and " + b.path.string() +
                   " is " + std::string(of_b->page.name()) + "; name the protocol of both with --protocol"};
  return std::move(of_a->page);
}

Diff in_trouble(std::string what) {
  Diff diff;
  diff.verdict = Verdict::trouble;
  diff.reasons.push_back(std::move(what));
  return diff;
}

Diff compare_files(const Arguments& arguments) {
  if (arguments.files.size() + arguments.more.size() != 2)
    return in_trouble(
        "exactly two traces are compared, A and B, and there are " +
        std::to_string(arguments.files.size() + arguments.more.size()) +
        "; several runs against several (A1 A2 ... -- B1 B2 ...) come with the statistics of timing");
  const auto a = format::load(arguments.files[0]);
  if (!a) return in_trouble(a.error().what);
  const auto b = format::load(arguments.files[1]);
  if (!b) return in_trouble(b.error().what);
  for (const format::Trace* trace : {&*a, &*b}) {
    const protocol::LeftOut left_out = protocol::left_out(*trace);
    if (left_out.client_bytes || left_out.server_bytes)
      return in_trouble(trace->path.string() + " was recorded without " +
                        (left_out.client_bytes ? "its bytes" : "the server's bytes") +
                        " (--payloads): messages cannot be compared; record with --payloads all");
  }
  auto page = page_for(*a, *b, arguments.protocol);
  if (!page) return in_trouble(page.error().what);
  if (!arguments.protocol.empty()) {
    for (const format::Trace* trace : {&*a, &*b}) {
      const auto fits = protocol::fits(*page, protocol::converse(*trace, *page));
      if (!fits) return in_trouble(trace->path.string() + " " + fits.error().what);
    }
  }
  return compare::diff(*a, *b, *page, {arguments.allow_partial});
}

Exit status_of(const Diff& diff, bool strict) {
  switch (diff.verdict) {
    case Verdict::same:
      return Exit::ok;
    case Verdict::differs:
      return Exit::differs;
    case Verdict::inconclusive:
      return strict ? Exit::inconclusive : Exit::ok;
    case Verdict::trouble:
      break;
  }
  return Exit::trouble;
}

int run(const Arguments& arguments) {
  const Diff diff = compare_files(arguments);
  const bool trouble = diff.verdict == Verdict::trouble;
  if (trouble)
    for (const std::string& reason : diff.reasons)
      std::cerr << "chorus diff: " << convert::printable_words(reason) << "\n";
  if (trouble && !arguments.json) return static_cast<int>(Exit::trouble);

  DiffFiles files;
  if (!arguments.files.empty()) files.a = arguments.files[0];
  if (arguments.files.size() > 1) files.b = arguments.files[1];
  const auto written = convert::to_stdout([&](std::ostream& out) {
    arguments.json ? diff_json(out, diff, files) : diff_text(out, diff, files, colour_wanted());
  });
  if (written) return static_cast<int>(status_of(diff, arguments.strict));
  std::cerr << "chorus diff: " << written.error().what << "\n";
  return static_cast<int>(Exit::trouble);
}

}  // namespace

void add_diff_command(CLI::App& app, int& exit_status) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("diff", "Say what differs between two traces");
  command->add_option("traces", arguments->files, "two traces, A and B: recordings or runs")
      ->required()
      ->type_name("A B");
  // A positional that stays empty keeps what follows "--" in this subcommand, where it can be counted and
  // refused.
  command->add_option("more", arguments->more, "A1 A2 ... -- B1 B2 ...: comes with the statistics of timing")
      ->type_name("");
  command->add_option("--protocol", arguments->protocol, "a built-in protocol or a page's file [recognised]")
      ->type_name("NAME");
  command->add_flag("--json", arguments->json, "one JSON document on stdout");
  command->add_flag("--allow-partial", arguments->allow_partial,
                    "compare what is left of a cut or damaged trace");
  command->add_flag("--strict", arguments->strict,
                    "exit with 3 instead of 0 when the answer is INCONCLUSIVE");
  command->callback([arguments, &exit_status] { exit_status = run(*arguments); });
}

}  // namespace chorus::report
