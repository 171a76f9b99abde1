// A page in use: all that is asked of it while a recording is read or a run goes on. What most messages need
// (kind_of in page_kinds.cpp, use) is a hash lookup; patterns run only for kinds that have a rule.
#include "traces/protocol/page.h"

#include "traces/protocol/page_rules.h"

#include <algorithm>
#include <cstring>

namespace chorus::protocol {
namespace {

std::string digits(const Page::Field& field, Bytes bytes) {
  const std::uint64_t number = read_number(bytes, field.big_endian);
  const unsigned bits = 8 * static_cast<unsigned>(bytes.size());
  if (!field.is_signed || bits == 0 || (number >> (bits - 1)) == 0) return std::to_string(number);
  const std::uint64_t extended = bits == 64 ? number : number | ~std::uint64_t{0} << bits;
  return std::to_string(static_cast<std::int64_t>(extended));
}

// The field of a rule without a pattern; false when the message is too short for it.
bool place_field(const FieldRule& rule, Bytes body, Page::Field& field) noexcept {
  field = rule.shape;
  if (field.span.at > body.size()) return false;
  if (field.fixed) return field.span.size <= body.size() - field.span.at;
  field.span.size = body.size() - field.span.at;
  if (field.encoding == Encoding::nul) {
    const auto end = body.substr(field.span.at).find('\0');
    if (end != Bytes::npos) field.span.size = end;
  }
  return true;
}

// Calls `see(field)` for every value of the rule in `body`, until it returns true.
template <class See>
bool each_field(const FieldRule& rule, Bytes body, See see) {
  Page::Field field;
  if (!rule.pattern) return place_field(rule, body, field) && see(field);
  const auto groups = rule.pattern->groups(body);
  if (groups.size() < 2 || groups[1].empty()) return false;
  field = rule.shape;
  Bytes rest = groups[1];
  while (true) {
    const auto end = rule.separator ? rest.find(rule.separator) : Bytes::npos;
    const Bytes one = rest.substr(0, end);
    field.span = {static_cast<std::size_t>(one.data() - body.data()), one.size()};
    if (!one.empty() && see(field)) return true;
    if (end == Bytes::npos) return false;
    rest.remove_prefix(end + 1);
  }
}

bool equals(const Page::Field& field, Bytes body, std::string_view value) {
  const Bytes bytes = body.substr(field.span.at, field.span.size);
  switch (field.encoding) {
    case Encoding::plain:
      return bytes == value;
    case Encoding::nul:
      return bytes.substr(0, bytes.find('\0')) == value;
    case Encoding::integer:
      break;
  }
  return digits(field, bytes) == value;
}

bool passes(const Test& test, Bytes body) {
  if (test.field) {
    return each_field(*test.field, body,
                      [&](const Page::Field& field) { return equals(field, body, test.equals); });
  }
  return !test.pattern || test.pattern->matches(body);
}

}  // namespace

Page::Page(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Page::Page(Page&&) noexcept = default;
Page& Page::operator=(Page&&) noexcept = default;
Page::~Page() = default;

std::string_view Page::name() const noexcept {
  return impl_->name;
}
std::string_view Page::summary() const noexcept {
  return impl_->summary;
}
std::string_view Page::text() const noexcept {
  return impl_->text;
}
bool Page::is_raw() const noexcept {
  return impl_->framing[0].type == Framing::Type::raw;
}
std::span<const std::uint16_t> Page::ports() const noexcept {
  return impl_->ports;
}
const Framing& Page::framing(Side side) const noexcept {
  return impl_->framing[static_cast<std::size_t>(side)];
}
const std::vector<AnswerRule>& Page::answers() const noexcept {
  return impl_->answers;
}
bool Page::has_ready() const noexcept {
  return !impl_->ready.empty();
}
bool Page::gates_until_ready() const noexcept {
  return impl_->until_ready;
}
bool Page::integer_names() const noexcept {
  return impl_->integer_names;
}
std::string_view Page::user_template() const noexcept {
  return impl_->user_template;
}
std::string_view Page::room_template() const noexcept {
  return impl_->room_template;
}
void Page::fields(Side from, KindId kind, Bytes message, std::vector<Field>& out) const {
  const KindRules* rules = impl_->find_rules(from, kind);
  if (!rules) return;
  const Bytes body = without_delimiter(framing(from), message);
  for (const FieldRule* rule : rules->fields) {
    if (rule->shape.role == Role::none) continue;
    each_field(*rule, body, [&](const Field& field) {
      out.push_back(field);
      return false;
    });
  }
}

std::string Page::value(const Field& field, Bytes message) {
  if (field.span.at > message.size()) return {};
  const Bytes bytes = message.substr(field.span.at, field.span.size);
  if (field.encoding == Encoding::integer) return digits(field, bytes);
  return std::string(field.encoding == Encoding::nul ? bytes.substr(0, bytes.find('\0')) : bytes);
}

bool Page::is_own(KindId kind, Bytes message, std::string_view self) const {
  const KindRules* rules = impl_->find_rules(Side::server, kind);
  if (!rules || rules->own.empty()) return true;
  const Bytes body = without_delimiter(framing(Side::server), message);
  for (const FieldRule* rule : rules->own) {
    // Most copies of a broadcast do not even contain the name: no pattern is run for those.
    if (rule->pattern && (self.empty() || body.find(self) == Bytes::npos)) continue;
    if (each_field(*rule, body, [&](const Field& field) { return equals(field, body, self); })) return true;
  }
  return false;
}

const FailureRule* Page::failure(KindId kind, Bytes message) const {
  const KindRules* rules = impl_->find_rules(Side::server, kind);
  if (!rules || rules->failures.empty()) return nullptr;
  const Bytes body = without_delimiter(framing(Side::server), message);
  for (const Failure* failure : rules->failures) {
    if (passes(failure->test, body)) return &failure->rule;
  }
  return nullptr;
}

const FailureRule* Page::closed_unheard() const noexcept {
  return impl_->closed_unheard ? &*impl_->closed_unheard : nullptr;
}

bool Page::is_ready(KindId kind, Bytes message) const {
  const KindRules* rules = impl_->find_rules(Side::server, kind);
  if (!rules) return false;
  const Bytes body = without_delimiter(framing(Side::server), message);
  return std::any_of(rules->ready.begin(), rules->ready.end(),
                     [&](const Test* test) { return passes(*test, body); });
}

bool Page::reply(KindId kind, Bytes message, std::string& out) const {
  const KindRules* rules = impl_->find_rules(Side::server, kind);
  if (!rules) return false;
  const Bytes body = without_delimiter(framing(Side::server), message);
  for (const Reply* reply : rules->replies) {
    const auto groups = reply->pattern ? reply->pattern->groups(body) : std::vector<Bytes>{body};
    if (groups.empty()) continue;
    const std::size_t start = out.size();
    for (const Reply::Part& part : reply->parts)
      out.append(part.group < 0 ? Bytes(part.text) : groups[part.group]);
    if (set_length(framing(Side::client), out, start)) return true;
    out.resize(start);
  }
  return false;
}

const FanOut* Page::fanout(KindId kind, Bytes message) const {
  const KindRules* rules = impl_->find_rules(Side::client, kind);
  if (!rules) return nullptr;
  const Bytes body = without_delimiter(framing(Side::client), message);
  for (const Reach* reach : rules->reaches) {
    if (!reach->pattern || reach->pattern->matches(body)) return &reach->fanout;
  }
  return nullptr;
}

double Page::recognises(Bytes first_from_client, Bytes first_from_server) const {
  if (is_raw()) return 0;
  constexpr int looked_at = 16;  // messages of each side
  int seen = 0, known = 0;
  bool described = false;
  for (const Side side : {Side::client, Side::server}) {
    Bytes rest = side == Side::client ? first_from_client : first_from_server;
    const auto& first = impl_->first_of[static_cast<std::size_t>(side)];
    for (int i = 0; i < looked_at; ++i) {
      const Frame frame = next_frame(framing(side), rest);
      if (frame.is == Frame::Is::broken) return 0;
      if (frame.is == Frame::Is::more) break;
      const Bytes message = rest.substr(0, frame.size);
      rest.remove_prefix(frame.size);
      const Bytes body = without_delimiter(framing(side), message);
      if (i == 0 && first && !first->matches(body)) return 0;
      if (i == 0 && first) described = true;
      const KindId kind = kind_of(side, message);
      const KindRules* rules = impl_->find_rules(side, kind);
      Field field;
      const bool fits =
          !rules || std::all_of(rules->fields.begin(), rules->fields.end(), [&](const FieldRule* rule) {
            return rule->pattern || place_field(*rule, body, field);
          });
      ++seen;
      if (kind != unknown_kind && kind <= impl_->listed && fits) ++known;
    }
  }
  if (seen == 0) return 0;
  const double share = static_cast<double>(known) / seen;
  return described ? (1 + share) / 2 : share;
}

}  // namespace chorus::protocol
