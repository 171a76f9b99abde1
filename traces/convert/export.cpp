#include "traces/convert/export.h"

#include "traces/convert/exports.h"
#include "traces/convert/files.h"
#include "traces/convert/info.h"
#include "traces/convert/pcapng.h"
#include "traces/convert/printable.h"
#include "traces/convert/summary.h"
#include "traces/format/output_file.h"

#include <algorithm>
#include <limits>

#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <boost/json/value.hpp>

namespace chorus::convert {

namespace json = boost::json;
using format::Bytes;
using format::Event;

std::int64_t wall_time(const format::Start& start, format::Nanos time) {
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  const std::int64_t wall = std::max<std::int64_t>(start.wall_ns, 0);
  if (time.count() > most - wall) return most;
  return std::max<std::int64_t>(wall + time.count(), 0);
}

std::string base64(Bytes bytes) {
  constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  const auto at = [&](std::size_t i) {
    return i < bytes.size() ? static_cast<std::uint32_t>(static_cast<std::uint8_t>(bytes[i])) : 0u;
  };
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::uint32_t group = at(i) << 16 | at(i + 1) << 8 | at(i + 2);
    text += digits[group >> 18];
    text += digits[group >> 12 & 63];
    text += i + 1 < bytes.size() ? digits[group >> 6 & 63] : '=';
    text += i + 2 < bytes.size() ? digits[group & 63] : '=';
  }
  return text;
}

// RFC 3629, controls included: JSON can escape them.
bool is_utf8(Bytes bytes) {
  for (std::size_t i = 0; i < bytes.size();) {
    const auto first = static_cast<std::uint8_t>(bytes[i]);
    const std::size_t size = first < 0x80   ? 1
                             : first < 0xc2 ? 0
                             : first < 0xe0 ? 2
                             : first < 0xf0 ? 3
                             : first < 0xf5 ? 4
                                            : 0;
    if (size == 0 || bytes.size() - i < size) return false;
    std::uint32_t code = size == 1 ? first : first & (0x7fu >> size);
    for (std::size_t k = 1; k < size; ++k) {
      const auto next = static_cast<std::uint8_t>(bytes[i + k]);
      if ((next & 0xc0) != 0x80) return false;
      code = code << 6 | (next & 0x3fu);
    }
    constexpr std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (code < least[size] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return false;
    i += size;
  }
  return true;
}

void append_line(std::string& to, const Event& event, const format::Start& start, bool bytes_kept) {
  to += "{\"time_ns\":" + std::to_string(event.time.count()) +
        ",\"wall_ns\":" + std::to_string(wall_time(start, event.time)) +
        ",\"connection\":" + std::to_string(event.connection) + ",\"kind\":\"" +
        schema::EnumNameEventKind(event.kind) + "\",\"bytes\":" + std::to_string(event.payload.size());
  if (bytes_kept) to += ",\"payload\":\"" + base64(event.payload) + '"';
  if (bytes_kept && is_utf8(event.payload))
    to += ",\"text\":" +
          json::serialize(json::value(json::string_view(event.payload.data(), event.payload.size())));
  if (event.intended) to += ",\"intended_ns\":" + std::to_string(event.intended->count());
  to += "}\n";
}

namespace {

constexpr std::size_t write_at = 1u << 20;  // bytes that are gathered for one write

class Export {
 public:
  Export(const ExportOptions& options, format::Reader& reader, format::OutputFile& file)
      : options_(options), reader_(reader), file_(file), packets_(text_, reader.start(), report_) {}

  Expected<ExportReport> run() {
    if (options_.format == ExportFormat::pcapng)
      text_ = pcapng::beginning(
          "chorus " CHORUS_VERSION,
          "made from the trace " + printable_words(options_.input.filename().string()) +
              ": the headers of IP and TCP are invented, times and what payloads there are " +
              "were recorded");
    json::object info;
    while (reader_.next()) {
      if (const std::string& more = reader_.info(); !more.empty()) {
        add_info(info, more);
        kept_ = kept_bytes(info);
        report_.left_out_words = left_out_words(info);
      }
      report_.run = report_.run || !run_refusal(reader_, info).empty();
      for (const Event* event : in_order(reader_.events())) {
        if (const auto taken = take(*event); !taken) return taken.error();
      }
    }
    report_.damage = reader_.damage();
    if (const auto written = file_.append(text_); !written) return written.error();
    if (const auto finished = file_.finish(); !finished) return finished.error();
    return report_;
  }

 private:
  Expected<void> take(const Event& event) {
    if (options_.format == ExportFormat::pcapng) {
      packets_.add(event, kept_.of(event));
    } else {
      append_line(text_, event, reader_.start(), kept_.of(event));
      ++report_.events;
    }
    if (text_.size() < write_at) return {};
    const auto written = file_.append(text_);
    text_.clear();
    return written;
  }

  const ExportOptions& options_;
  format::Reader& reader_;
  format::OutputFile& file_;
  ExportReport report_;
  KeptBytes kept_;
  std::string text_;
  PacketExport packets_;
};

}  // namespace

Expected<ExportReport> export_trace(const ExportOptions& options) {
  auto reader = format::Reader::open(options.input);
  if (!reader) return reader.error();
  if (const auto apart = keep_apart(options.input, options.output); !apart) return apart.error();
  auto file = format::OutputFile::create(options.output, options.force);
  if (!file) return file.error();
  auto report = Export(options, **reader, **file).run();
  if (!report) {
    file->reset();
    std::error_code ignored;
    std::filesystem::remove(format::partial_name(options.output), ignored);
  }
  return report;
}

}  // namespace chorus::convert
