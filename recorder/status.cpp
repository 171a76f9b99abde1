// The live line is rewritten with a carriage return and spaces instead of escape sequences: every terminal
// knows those, and nothing of it is colour.
#include "recorder/status.h"

#include <array>
#include <cstdio>

namespace chorus::recorder {

namespace {

constexpr std::chrono::seconds plain_line_every{10};

}  // namespace

std::string rounded_size(std::uint64_t bytes) {
  constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  if (bytes < 1024) return std::to_string(bytes) + " B";
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  // 1023.95 would be printed as 1024.0, which is one of the next unit
  while (value >= 1023.95 && unit + 1 < units.size()) value /= 1024, ++unit;
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%.1f %s", value, units[unit]);
  return text.data();
}

std::string status_text(const Totals& totals, std::uint64_t events) {
  std::string text = std::to_string(totals.open) + " of " + std::to_string(totals.connections) + " open";
  if (totals.refused > 0) text += " (" + std::to_string(totals.refused) + " refused)";
  return text + ", " + rounded_size(totals.to_server) + " to server, " + rounded_size(totals.to_client) +
         " to client, " + std::to_string(events) + (events == 1 ? " event" : " events");
}

void StatusLine::say(std::string_view message) {
  const std::lock_guard lock(mutex_);
  wipe();
  out_ << message << '\n' << std::flush;
}

void StatusLine::update(std::string_view text, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  if (!live_) {
    if (now - last_ < plain_line_every) return;
    last_ = now;
    out_ << text << '\n' << std::flush;
    return;
  }
  const std::size_t rest = width_ > text.size() ? width_ - text.size() : 0;
  out_ << '\r' << text << std::string(rest, ' ') << std::flush;
  width_ = text.size();
}

void StatusLine::clear() {
  const std::lock_guard lock(mutex_);
  wipe();
}

void StatusLine::wipe() {
  if (width_ > 0) out_ << '\r' << std::string(width_, ' ') << '\r' << std::flush;
  width_ = 0;
}

}  // namespace chorus::recorder
