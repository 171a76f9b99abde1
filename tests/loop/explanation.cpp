#include "tests/loop/explanation.h"

#include "tests/loop/real_program.h"
#include "traces/format/writer.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include <boost/json/array.hpp>
#include <catch2/catch.hpp>

namespace chorus::test {
namespace {

namespace json = boost::json;

// The text: a line with the reason, then these three.
std::vector<Explanation> told_in(const std::string& text) {
  std::vector<Explanation> all;
  std::istringstream lines(text);
  std::string before;
  for (std::string line; std::getline(lines, line); before = line) {
    const auto after = [&line](std::string_view label) {
      return line.rfind(label, 0) == 0 ? line.substr(label.size()) : std::string();
    };
    if (const auto recorded = after("    recorded: "); !recorded.empty())
      all.push_back({before, recorded, "", ""});
    if (all.empty()) continue;
    if (const auto received = after("    received: "); !received.empty()) all.back().received = received;
    if (const auto advice = after("    try:      "); !advice.empty()) all.back().advice = advice;
  }
  return all;
}

std::vector<Explanation> told_in(const json::object& document) {
  std::vector<Explanation> all;
  for (const json::value& one : document.at("divergences").as_array()) {
    const json::object& trouble = one.as_object();
    const auto text = [&trouble](const char* key) {
      const json::value* value = trouble.if_contains(key);
      return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
    };
    all.push_back({text("reason"), text("expected"), text("got"), text("try")});
  }
  return all;
}

bool says(const Explanation& told, const Explanation& expected) {
  const auto holds = [](const std::string& text, const std::string& part) {
    return !text.empty() && text.find(part) != std::string::npos;
  };
  return holds(told.reason, expected.reason) && holds(told.recorded, expected.recorded) &&
         holds(told.received, expected.received) && holds(told.advice, expected.advice);
}

void expect_told(const std::vector<Explanation>& all, const Explanation& expected) {
  INFO("expected: " << expected.reason << " | " << expected.recorded << " | " << expected.received << " | "
                    << expected.advice);
  CHECK(std::any_of(all.begin(), all.end(), [&](const Explanation& told) { return says(told, expected); }));
}

}  // namespace

void expect_explained(const std::vector<std::string>& arguments, const Explanation& expected) {
  expect_explained(arguments, arguments, expected);
}

void expect_explained(const std::vector<std::string>& for_the_text,
                      const std::vector<std::string>& for_the_document, const Explanation& expected) {
  const Finished text = run_chorus(for_the_text);
  INFO(text.out << text.err);
  CHECK(ended_with(text, 1));
  expect_told(told_in(text.out + text.err), expected);

  std::vector<std::string> with_json = for_the_document;
  with_json.emplace_back("--json");
  const Finished document = run_chorus(with_json);
  INFO(document.out << document.err);
  CHECK(ended_with(document, 1));
  expect_told(told_in(document_of(document)), expected);
}

void expect_completed(const std::vector<std::string>& arguments) {
  std::vector<std::string> with_json = arguments;
  with_json.emplace_back("--json");
  const Finished finished = run_chorus(with_json);
  INFO(finished.out << finished.err);
  CHECK(ended_with(finished, 0));
  const json::object document = document_of(finished);
  const json::object& clients = document.at("clients").as_object();
  CHECK(clients.at("completed").to_number<int>() == clients.at("requested").to_number<int>());
}

std::vector<std::string> replay_on(const std::string& address, const std::string& trace,
                                   const std::vector<std::string>& more) {
  std::vector<std::string> arguments{"replay", trace, "--target", address};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

std::string changed_page(const std::filesystem::path& file, const std::string& name, const std::string& part,
                         const std::string& instead) {
  std::string text = content(std::string(CHORUS_SOURCE) + "/schema/protocols/" + name + ".toml");
  const auto at = text.find(part);
  if (at == std::string::npos) throw std::runtime_error("the page " + name + " has no " + part);
  std::ofstream(file) << text.replace(at, part.size(), instead);
  return file;
}

std::string hand_made(const std::filesystem::path& file, const std::vector<Said>& all) {
  using format::EventKind;
  auto created = format::Writer::create(file, {});
  if (!created) throw std::runtime_error(created.error().what);
  format::Writer& trace = **created;
  format::Nanos now{0};
  const auto add = [&](EventKind kind, const std::string& bytes) {
    now += std::chrono::milliseconds(1);
    trace.add({now, 0, kind, bytes, std::nullopt});
  };
  add(EventKind::Opened, "127.0.0.1:50000 127.0.0.1:50001");
  for (const Said& said : all)
    add(said.by == Said::By::client ? EventKind::ToServer : EventKind::ToClient, said.bytes);
  add(EventKind::ServerEnd, "");
  add(EventKind::Closed, "");
  if (const auto closed = trace.close(); !closed) throw std::runtime_error(closed.error().what);
  return file;
}

}  // namespace chorus::test
