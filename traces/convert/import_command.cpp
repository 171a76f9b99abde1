#include "traces/convert/import_command.h"

#include "traces/convert/files.h"
#include "traces/convert/import.h"

#include <iostream>
#include <memory>

#include <CLI/CLI.hpp>

namespace chorus::convert {
namespace {

struct Flags {
  std::string input, output;
  std::optional<std::string> server;
  std::optional<std::uint16_t> port;
  bool partial = false, force = false;
};

Expected<ImportReport> run(const Flags& flags) {
  ImportOptions options;
  options.input = flags.input;
  options.output = flags.output;
  options.force = flags.force;
  options.port = flags.port;
  options.partial = flags.partial;
  if (flags.server) {
    options.server = parse_endpoint(*flags.server);
    if (!options.server)
      return Trouble{
          "--server is \"" + *flags.server +
          "\", expected the address that stands in the packets, as 192.0.2.7:6667 or [2001:db8::7]:6667"};
  }
  return import_capture(options);
}

void say(const Flags& flags, const ImportReport& report) {
  const auto note = [](const std::string& text) { std::cerr << "chorus import: " << text << "\n"; };
  if (!report.cut.empty())
    note(flags.input + " is cut or damaged, what came before is imported: " + report.cut);
  if (report.began_before > 0)
    note(counted(report.began_before, "connection") + " began before the capture: " +
         (flags.partial ? "taken from where it began, perhaps within a message"
                        : "left out (--partial with --server or --port takes them)"));
  if (report.holes > 0)
    note(counted(report.holes, "connection") + " with packets missing: each ends where its bytes do, " +
         counted(report.missing_bytes, "byte") + " short");
  for (const ImportReport::Lacking& one : report.lacking)
    note("  #" + std::to_string(one.connection) + ' ' + one.peers + " lacks " +
         std::to_string(one.to_server_bytes) + " B to the server, " + std::to_string(one.to_client_bytes) +
         " B to the client");
  if (report.holes > report.lacking.size() && !report.lacking.empty())
    note("  and " + std::to_string(report.holes - report.lacking.size()) + " more");
  if (report.shortened > 0)
    note(counted(report.shortened, "packet") + " captured in part only; capture whole ones (tcpdump -s 0)");
  if (report.others > 0) note(counted(report.others, "connection") + " to other servers left out");
  if (report.unfollowed > 0)
    note(counted(report.unfollowed, "connection") + " left out: more than 100,000 were open at once");
  if (report.fragments > 0) note(counted(report.fragments, "IP fragment") + " left out");
  if (report.outside > 0)
    note(counted(report.outside, "packet") + " left out: outside the window of the connection");
  if (report.malformed > 0) note(counted(report.malformed, "malformed packet") + " left out");
  std::cout << "imported " << counted(report.connections, "connection");
  if (report.refused > 0) std::cout << " and " << report.refused << " refused";
  std::cout << ": " << counted(report.events, "event") << ", " << report.to_server_bytes
            << " B to the server, " << report.to_client_bytes << " B to the client -> " << flags.output
            << "\n";
}

}  // namespace

void add_import_command(CLI::App& app, int& exit_status) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("import", "Make a recording of captured packets");
  command->add_option("file", flags->input, "a capture as tcpdump or Wireshark writes it: pcap or pcapng")
      ->required()
      ->type_name("FILE");
  command->add_option("-o,--output", flags->output, "the recording to write")->required()->type_name("FILE");
  command
      ->add_option("--server", flags->server, "take only the connections of this server, as 192.0.2.7:6667")
      ->type_name("ADDRESS");
  command->add_option("--port", flags->port, "take only the connections to this port")->type_name("N");
  command->add_flag(
      "--partial", flags->partial,
      "also connections that were open when the capture began; --server or --port say which side "
      "the server is");
  command->add_flag("--force", flags->force, "replace an existing file");
  command->callback([flags, &exit_status] {
    exit_status = conclude("import", run(*flags), [&](const auto& report) { say(*flags, report); });
  });
}

}  // namespace chorus::convert
