#include "traces/convert/import.h"

#ifndef CHORUS_HAS_TINS

namespace chorus::convert {

bool can_import() noexcept {
  return false;
}

Expected<ImportReport> import_capture(const ImportOptions&) {
  return Trouble{
      "this build has no libtins and no libpcap, which read captures; import on Linux, in a build made "
      "where libtins-dev and libpcap-dev are installed: its traces replay everywhere"};
}

}  // namespace chorus::convert

#else

#include "traces/convert/capture_file.h"
#include "traces/convert/files.h"
#include "traces/convert/summary.h"
#include "traces/convert/tcp_follower.h"

#include <algorithm>

#include <boost/json.hpp>

namespace chorus::convert {
namespace {

namespace json = boost::json;
using format::Nanos;

// One sentence on all that the recording lacks of what there was, "" for nothing.
std::string lacking(const ImportOptions& options, const ImportReport& report) {
  std::string text;
  const auto add = [&text](const std::string& part) { text += (text.empty() ? "" : "; ") + part; };
  if (report.holes > 0)
    add(std::to_string(report.holes) + " of " + counted(report.connections, "connection") +
        (report.holes == 1 ? " lacks " : " lack ") + counted(report.missing_bytes, "byte") +
        ": packets are missing in the capture");
  if (report.began_before > 0)
    add(counted(report.began_before, "connection") +
        (options.partial ? " taken without the beginning" : " left out, without the beginning"));
  if (report.unfollowed > 0)
    add(counted(report.unfollowed, "connection") + " left out, too many were open at once");
  if (!report.cut.empty()) add("the capture is cut or damaged: " + report.cut);
  return text;
}

std::string note(const ImportOptions& options, const ImportReport& report, std::int64_t start_ns) {
  json::object imported{{"capture", options.input.filename().string()}, {"packets", report.packets}};
  if (report.began_before > 0) imported["began_before"] = report.began_before;
  if (report.holes > 0) {
    imported["with_missing_packets"] = report.holes;
    imported["missing_bytes"] = report.missing_bytes;
  }
  if (!report.cut.empty()) imported["cut"] = report.cut;
  json::object info{{"mode", "recording"},
                    {"tool", CHORUS_VERSION},
                    {"started", utc(start_ns)},
                    {"imported", std::move(imported)}};
  if (!report.incomplete.empty()) info["incomplete"] = report.incomplete;
  return json::serialize(info);
}

std::string nothing_found(const ImportOptions& options, const ImportReport& report) {
  std::string text = options.input.string() + " holds no TCP connection to import: ";
  if (!report.cut.empty()) text += report.cut + "; ";
  text += counted(report.packets, "packet");
  if (report.others > 0) text += ", " + counted(report.others, "connection") + " to other servers";
  if (report.began_before == 0) return text;
  return text + ", " + counted(report.began_before, "connection") +
         " without their beginning (--partial with --server or --port takes them)";
}

}  // namespace

bool can_import() noexcept {
  return true;
}

Expected<ImportReport> import_capture(const ImportOptions& options) {
  if (options.partial && !options.server && !options.port)
    return Trouble{
        "--partial needs --server or --port: without a connection's beginning nothing says which side "
        "the server is"};
  auto capture = CaptureFile::open(options.input);
  if (!capture) return capture.error();
  if (const auto apart = keep_apart(options.input, options.output); !apart) return apart.error();

  ImportReport report;
  auto next = capture->next();
  const std::int64_t start_ns = std::max<std::int64_t>(capture->time_ns(), 1);
  auto trace = NewTrace::create(options.output, {start_ns, 0}, options.force);
  if (!trace) return trace.error();
  TcpFollower follower(options, trace->writer(), report);
  Nanos now{0};
  for (; next == CaptureFile::Next::packet && trace->writer().ok(); next = capture->next()) {
    ++report.packets;
    if (capture->shortened()) ++report.shortened;
    now = std::max(Nanos(capture->time_ns() - start_ns), Nanos(0));
    follower.packet(now, capture->datagram(), capture->shortened());
  }
  if (next == CaptureFile::Next::unlike) return Trouble{options.input.string() + capture->problem()};
  if (next == CaptureFile::Next::bad) report.cut = capture->problem();
  follower.finish(now);
  report.incomplete = lacking(options, report);
  if (report.connections + report.refused == 0) return Trouble{nothing_found(options, report)};
  if (report.holes > 0 && report.to_server_bytes + report.to_client_bytes == 0)
    return Trouble{options.input.string() + " holds no byte that could be used: " + report.incomplete};
  trace->writer().info(note(options, report, start_ns));
  if (const auto closed = trace->finish(); !closed) return closed.error();
  return report;
}

}  // namespace chorus::convert

#endif
