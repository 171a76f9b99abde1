#include "tests/loop/chat_fixture.h"

#include <stdexcept>

#include <boost/json/parse.hpp>

namespace chorus::test {
namespace {

std::vector<std::string> with_server(std::vector<std::string> options) {
  options.insert(options.begin(), {CHAT_SERVER_EXECUTABLE, "--listen", "127.0.0.1:0"});
  return options;
}

}  // namespace

Finished run_chorus(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), CHORUS_EXECUTABLE);
  Process process(arguments);
  Finished finished;
  finished.status = process.wait(std::chrono::minutes(5));
  finished.out = process.out_rest();
  finished.err = process.err_rest();
  return finished;
}

bool ended_with(const Finished& replay, int status) {
  const bool invalid =
      replay.out.rfind("INVALID", 0) == 0 || replay.out.find("\"verdict\":\"INVALID\"") != std::string::npos;
  return replay.status == status || (replay.status == 2 && invalid);
}

boost::json::object document_of(const Finished& finished) {
  boost::system::error_code error;
  auto value = boost::json::parse(finished.out, error);
  if (error || !value.is_object()) {
    throw std::runtime_error("no JSON document on stdout: " + finished.out + "\nstderr: " + finished.err);
  }
  return value.as_object();
}

ChatServer::ChatServer(std::vector<std::string> options) : process_(with_server(std::move(options))) {
  const std::string line = process_.out_line_with("127.0.0.1:");
  port_ = line.substr(line.rfind(':') + 1);
}

std::string sample(const std::string& name) {
  return std::string(CHORUS_SOURCE) + "/tests/traces/" + name;
}

}  // namespace chorus::test
