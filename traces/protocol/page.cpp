// A page in use: all that is asked of it while a recording is read or a run goes on. What most messages need
// (kind_of in page_kinds.cpp, use) is a hash lookup; patterns run only for kinds that have a rule.
#include "traces/protocol/page.h"

#include "traces/protocol/canonical.h"
#include "traces/protocol/page_rules.h"

#include <algorithm>

#include <xxhash.h>

namespace chorus::protocol {
namespace {

std::string digits(const Page::Field& field, Bytes bytes) {
  const std::uint64_t number = read_number(bytes, field.big_endian);
  const unsigned bits = 8 * static_cast<unsigned>(bytes.size());
  if (!field.is_signed || bits == 0 || (number >> (bits - 1)) == 0) return std::to_string(number);
  const std::uint64_t extended = bits == 64 ? number : number | ~std::uint64_t{0} << bits;
  return std::to_string(static_cast<std::int64_t>(extended));
}

}  // namespace

bool equals(const Page::Field& field, Bytes message, std::string_view value) {
  if (field.wrapping == Wrapping::base64 || field.encoding == Encoding::integer)
    return Page::value(field, message) == value;
  const Bytes bytes = message.substr(field.span.at, field.span.size);
  return (field.encoding == Encoding::nul ? bytes.substr(0, bytes.find('\0')) : bytes) == value;
}

bool Page::Impl::find(const FieldRule& rule, Side from, Bytes message, Page::Field& field) const {
  return each_value(rule, from, message, [&](const Page::Field& found) {
    field = found;
    return true;
  });
}

bool Page::Impl::passes(const Test& test, Side from, Bytes message) const {
  if (test.field != nullptr) {
    return each_value(*test.field, from, message, [&](const Page::Field& field) {
      return equals(field, message, test.equals) != test.differs;
    });
  }
  return !test.pattern ||
         test.pattern->matches(without_delimiter(framing[static_cast<std::size_t>(from)], message));
}

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
bool Page::one_per_write() const noexcept {
  return impl_->one_per_write;
}
const std::vector<AnswerRule>& Page::answers() const noexcept {
  return impl_->answers;
}
bool Page::has_ready() const noexcept {
  return !impl_->ready.empty();
}
const std::vector<GateRule>& Page::gates() const noexcept {
  return impl_->gates;
}
std::uint16_t Page::gate_of(KindId kind) const noexcept {
  const KindRules* rules = impl_->find_rules(Side::server, kind);
  return rules ? rules->gate : no_gate;
}
std::span<const std::string> Page::variables() const noexcept {
  return impl_->variables;
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
  for (const FieldRule* rule : rules->fields) {
    if (rule->shape.role == Role::none) continue;
    impl_->each_value(*rule, from, message, [&](const Field& field) {
      out.push_back(field);
      return false;
    });
  }
}

bool Page::has_secrets(Side from) const noexcept {
  for (const KindRules& rules : impl_->rules[static_cast<std::size_t>(from)])
    for (const FieldRule* rule : rules.fields)
      if (rule->shape.role == Role::secret) return true;
  return false;
}

bool Page::has_placed_secrets(Side from, KindId kind) const noexcept {
  const KindRules* rules = impl_->find_rules(from, kind);
  return rules != nullptr && std::ranges::any_of(rules->fields, [](const FieldRule* rule) {
           return rule->shape.role == Role::secret &&
                  (rule->locator.by == Locator::By::place || rule->locator.by == Locator::By::path);
         });
}

bool Page::may_begin(Side from, Bytes message) const {
  const auto& first = impl_->first_of[static_cast<std::size_t>(from)];
  return !first || first->matches(without_delimiter(framing(from), message));
}

std::string Page::value(const Field& field, Bytes message) {
  if (field.span.at > message.size()) return {};
  const Bytes bytes = message.substr(field.span.at, field.span.size);
  if (field.encoding == Encoding::integer) return digits(field, bytes);
  if (field.wrapping == Wrapping::base64) {
    const auto decoded = from_base64(bytes);
    return decoded && field.inner.at <= decoded->size() ? decoded->substr(field.inner.at, field.inner.size)
                                                        : std::string();
  }
  return std::string(field.encoding == Encoding::nul ? bytes.substr(0, bytes.find('\0')) : bytes);
}

bool Page::is_own(KindId kind, Bytes message, std::span<const std::string> self) const {
  const KindRules* rules = impl_->find_rules(Side::server, kind);
  if (!rules || rules->own.empty()) return true;
  for (const FieldRule* rule : rules->own) {
    const bool ours = impl_->each_value(*rule, Side::server, message, [&](const Field& field) {
      return std::any_of(self.begin(), self.end(),
                         [&](const std::string& name) { return equals(field, message, name); });
    });
    if (ours) return true;
  }
  return false;
}

const FailureRule* Page::failure(KindId kind, Bytes message) const {
  const KindRules* rules = impl_->find_rules(Side::server, kind);
  if (!rules) return nullptr;
  for (const Failure* failure : rules->failures) {
    if (impl_->passes(failure->test, Side::server, message)) return &failure->rule;
  }
  return nullptr;
}

const FailureRule* Page::closed_unheard() const noexcept {
  return impl_->closed_unheard ? &*impl_->closed_unheard : nullptr;
}

bool Page::one_room() const noexcept {
  return impl_->one_room;
}

const FailureRule* Page::closed() const noexcept {
  return impl_->closed ? &*impl_->closed : nullptr;
}

bool Page::is_ready(KindId kind, Bytes message) const {
  const KindRules* rules = impl_->find_rules(Side::server, kind);
  return rules && std::any_of(rules->ready.begin(), rules->ready.end(),
                              [&](const Test* test) { return impl_->passes(*test, Side::server, message); });
}

bool Page::reply(KindId kind, Bytes message, std::string& out) const {
  const KindRules* rules = impl_->find_rules(Side::server, kind);
  if (!rules) return false;
  const Bytes body = without_delimiter(framing(Side::server), message);
  for (const Reply* reply : rules->replies) {
    const auto groups = reply->pattern ? reply->pattern->groups(body) : std::vector<Bytes>{body};
    if (groups.empty()) continue;
    const std::size_t start = out.size();
    bool whole = true;
    for (const Reply::Part& part : reply->parts) {
      Field field;
      if (part.group >= 0) {
        out.append(groups[static_cast<std::size_t>(part.group)]);
      } else if (part.field == nullptr) {
        out.append(part.text);
      } else if (impl_->find(*part.field, Side::server, message, field)) {
        out.append(message.substr(field.span.at, field.span.size));
      } else {
        whole = false;
      }
    }
    if (whole && set_length(framing(Side::client), out, start)) return true;
    out.resize(start);
  }
  return false;
}

void Page::extract(KindId kind, Bytes message, std::vector<Extracted>& out) const {
  const KindRules* rules = impl_->find_rules(Side::server, kind);
  if (!rules) return;
  Field field;
  for (const auto& [variable, rule] : rules->extracts) {
    if (impl_->find(*rule, Side::server, message, field)) out.push_back({variable, field});
  }
}

void Page::inserts(KindId kind, Bytes message, std::vector<Insert>& out) const {
  const KindRules* rules = impl_->find_rules(Side::client, kind);
  if (!rules) return;
  Field field;
  for (const Writing* writing : rules->writings) {
    if (impl_->find(*writing->field, Side::client, message, field)) out.push_back({field, &writing->value});
  }
}

std::uint64_t Page::correlation(const AnswerRule& rule, Side from, KindId kind, Bytes message) const {
  if (rule.correlation.empty()) return 0;
  const KindRules* rules = impl_->find_rules(from, kind);
  if (!rules) return 0;
  Field field;
  for (const FieldRule* one : rules->fields) {
    if (one->name != rule.correlation || !impl_->find(*one, from, message, field)) continue;
    return XXH3_64bits(message.data() + field.span.at, field.span.size) | 1u;
  }
  return 0;
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

std::uint64_t Page::delivery_key(const FanOut& fanout, KindId kind, Bytes message,
                                 std::string_view sender) const {
  std::uint64_t hash = fanout.arrives.front();
  if (fanout.names_sender) hash = XXH3_64bits_withSeed(sender.data(), sender.size(), hash);
  return text_hash(Side::client, kind, message, hash);
}

std::uint64_t Page::delivery_key(KindId kind, Bytes message) const {
  const KindRules* rules = impl_->find_rules(Side::server, kind);
  std::uint64_t hash = rules->delivers_as;
  Field field;
  if (!rules->own.empty() && impl_->find(*rules->own.front(), Side::server, message, field)) {
    Bytes bytes = message.substr(field.span.at, field.span.size);
    if (field.encoding == Encoding::nul) bytes = bytes.substr(0, bytes.find('\0'));
    hash = XXH3_64bits_withSeed(bytes.data(), bytes.size(), hash);
  }
  return text_hash(Side::server, kind, message, hash);
}

std::uint64_t Page::text_hash(Side from, KindId kind, Bytes message, std::uint64_t seed) const {
  const KindRules* rules = impl_->find_rules(from, kind);
  if (!rules) return seed;
  Field field;
  for (const FieldRule* rule : rules->fields) {
    if (rule->shape.role != Role::text || !impl_->find(*rule, from, message, field)) continue;
    const Bytes text = message.substr(field.span.at, field.span.size);
    if (framing(from).type == Framing::Type::xml && text.find_first_of("&<") != Bytes::npos) {
      const std::string says = xml_text(text);  // servers write it in another way
      seed = XXH3_64bits_withSeed(says.data(), says.size(), seed);
    } else {
      seed = XXH3_64bits_withSeed(text.data(), text.size(), seed);
    }
  }
  return seed;
}

void Page::protect(Bytes message, std::vector<FieldSpan>& out) const {
  if (!impl_->protect) return;
  for (Bytes rest = message; !rest.empty();) {
    const auto groups = impl_->protect->groups(rest);
    if (groups.empty() || groups[0].empty()) return;
    const auto at = static_cast<std::size_t>(groups[0].data() - message.data());
    out.push_back({at, groups[0].size()});
    rest = message.substr(at + groups[0].size());
  }
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
      if (frame.is == Frame::Is::more) {
        seen += i == 0 && !rest.empty();  // it spoke, but not one whole message of this protocol
        break;
      }
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
            return rule->locator.by != Locator::By::place || impl_->find(*rule, side, message, field);
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
