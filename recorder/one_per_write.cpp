#include "recorder/one_per_write.h"

#include <utility>

namespace chorus::recorder {

using protocol::Frame;

std::string show_recut(const Recut& recut) {
  std::string text = std::string(recut_from_start) + ": " + std::to_string(recut.split) + " reads split, " +
                     std::to_string(recut.joined) + " messages joined";
  if (recut.unframed > 0)
    text += ", " + std::to_string(recut.unframed) + " bytes forwarded as they came (no messages)";
  return text;
}

Recut& Recut::operator+=(const Recut& other) {
  split += other.split;
  joined += other.joined;
  unframed += other.unframed;
  return *this;
}

void OnePerWrite::add(protocol::Bytes bytes) {
  earlier_ = pending_.size();
  given_ = 0;
  pending_ += bytes;
  look();
}

std::optional<std::string> OnePerWrite::next() {
  if (frame_ == 0) return std::nullopt;
  if (broken_) return take_rest();
  recut_.joined += earlier_ > 0;
  recut_.split += ++given_ == 2;
  std::string message = pending_.substr(0, frame_);
  pending_.erase(0, frame_);
  earlier_ = 0;  // what was there before is a part of this message
  look();
  return message;
}

std::string OnePerWrite::take_rest() {
  recut_.unframed += pending_.size();
  frame_ = 0;
  scan_ = {};
  return std::exchange(pending_, {});
}

void OnePerWrite::look() {
  frame_ = 0;
  if (pending_.empty()) return;
  if (!broken_) {
    const Frame frame = protocol::next_frame(framing_, pending_, scan_);
    if (frame.is == Frame::Is::message) frame_ = frame.size;
    broken_ = frame.is == Frame::Is::broken;
  }
  if (broken_) frame_ = pending_.size();
}

}  // namespace chorus::recorder
