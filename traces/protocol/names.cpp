// Which recorded values are names, and what stands for each of them in a copy.
#include "traces/protocol/names.h"

#include "traces/protocol/layout.h"
#include "traces/protocol/page.h"

#include <algorithm>
#include <functional>

namespace chorus::protocol {

// Walks through a recording once; its result is a Names.
class NameFinder {
 public:
  NameFinder(const Page& page, std::span<const Conversation> group, const NewNames& wanted)
      : page_(page), group_(group), renames_(wanted.renames) {
    names_.users_ = wanted.users;
  }

  Expected<Names> find() {
    for (const Rename& rename : renames_) {
      auto value = ValueTemplate::parse(rename.value, {names_.users_.get()});
      if (!value) return Trouble{"--rename " + rename.recorded + ": " + value.error().what};
      templates_.push_back(std::move(*value));
    }
    if (names_.users_ && names_.users_->size() < group_.size())
      return Trouble{"--users has " + std::to_string(names_.users_->size()) + " users and the recording " +
                     std::to_string(group_.size()) + " clients; each needs a row of its own"};
    for (std::size_t i = 0; i < renames_.size(); ++i) {
      for (std::size_t j = i + 1; j < renames_.size(); ++j) {
        if (renames_[i].recorded == renames_[j].recorded)
          return Trouble{"--rename " + renames_[i].recorded + " is given twice"};
      }
    }
    names_.self_.resize(group_.size());
    for (std::uint32_t member = 0; member < group_.size(); ++member) declarations(member);
    for (std::size_t i = 0; i < renames_.size(); ++i) {
      if (is_named(renames_[i].recorded)) continue;
      if (auto added = rename_literal(i); !added) return added.error();
    }
    for (std::size_t i = 0; i < names_.names_.size(); ++i) {
      const Name& name = names_.names_[i];
      if (!name.integer && name.role != Role::secret) names_.literals_.add(name.recorded, i);
    }
    names_.literals_.done();
    const auto members = static_cast<std::uint32_t>(std::max<std::size_t>(group_.size(), 1));
    if (auto distinct = names_.distinct(1, members); !distinct) return distinct.error();
    return std::move(names_);
  }

 private:
  void declarations(std::uint32_t member) {
    bool ready = false;
    std::vector<Page::Field> fields;
    for (const Message& message : group_[member].messages) {
      if (message.from == Side::server) {
        const auto use = page_.use(Side::server, message.kind);
        ready = ready || (use.may_be_ready && page_.is_ready(message.kind, message.bytes));
        continue;
      }
      fields.clear();
      page_.fields(Side::client, message.kind, message.bytes, fields);
      for (const Page::Field& field : fields) {
        const std::string value = Page::value(field, message.bytes);
        if (value.empty() || !(field.declares || field.role == Role::secret)) continue;
        if (field.role == Role::secret && !password()) continue;
        const std::size_t name = declare(member, field.role, value, field.encoding == Encoding::integer);
        if (field.role == Role::user && (!ready || !names_.self_[member])) names_.self_[member] = name;
      }
    }
  }

  std::size_t declare(std::uint32_t member, Role role, const std::string& recorded, bool integer) {
    if (const auto known =
            role == Role::secret ? secret_of(member, recorded) : names_.find(role, recorded, integer, member))
      return *known;
    Name name;
    name.recorded = recorded;
    name.role = role;
    name.integer = integer;
    if (role == Role::user || role == Role::secret) name.member = member;
    const auto rename = std::find_if(renames_.begin(), renames_.end(),
                                     [&](const Rename& one) { return one.recorded == recorded; });
    if (rename != renames_.end()) {
      name.value = templates_[static_cast<std::size_t>(rename - renames_.begin())];
    } else {
      // Both texts come from templates that were parsed before.
      const std::string text = role == Role::secret ? "{user.password}"
                               : role == Role::user ? user_text(member, recorded)
                                                    : std::string(page_.room_template());
      name.value = *ValueTemplate::parse(text, {names_.users_.get()});
    }
    names_.names_.push_back(std::move(name));
    return names_.names_.size() - 1;
  }

  bool password() const { return names_.users_ && names_.users_->column("password"); }

  // Two users may have one password in the recording, and each has its own in the crowd.
  std::optional<std::size_t> secret_of(std::uint32_t member, const std::string& recorded) const {
    for (std::size_t i = 0; i < names_.names_.size(); ++i) {
      const Name& name = names_.names_[i];
      if (name.role == Role::secret && name.member == member && name.recorded == recorded) return i;
    }
    return std::nullopt;
  }

  // A client's second name follows its first (alice_ after alice) or gets a letter of its own: u0000017b.
  std::string user_text(std::uint32_t member, const std::string& recorded) const {
    Literals earlier;
    std::size_t count = 0;
    for (std::size_t i = 0; i < names_.names_.size(); ++i) {
      const Name& name = names_.names_[i];
      if (name.role != Role::user || name.member != member) continue;
      earlier.add(name.recorded, i);
      ++count;
    }
    earlier.done();
    const bool listed = names_.users_ && names_.users_->column("name");
    std::string text = listed ? "{user.name}" : std::string(page_.user_template());
    if (const auto hit = earlier.next(recorded, 0, recorded.size())) {
      return ValueTemplate::escaped(std::string_view(recorded).substr(0, hit->at)) +
             names_.names_[hit->value].value.text() +
             ValueTemplate::escaped(std::string_view(recorded).substr(hit->at + hit->size));
    }
    for (; count > 0; count /= 26) text += static_cast<char>('a' + count % 26);
    return text;
  }

  bool is_named(const std::string& recorded) const {
    return std::any_of(names_.names_.begin(), names_.names_.end(),
                       [&](const Name& name) { return name.recorded == recorded; });
  }

  // What the page does not declare but a client sent: as a field's value, or in text.
  Expected<void> rename_literal(std::size_t i) {
    const std::string& recorded = renames_[i].recorded;
    Literals wanted;
    wanted.add(recorded, 0);
    wanted.done();
    const auto find = [&](const Page::Field&, std::string_view value) {
      return value == recorded ? std::optional<std::size_t>(0) : std::nullopt;
    };
    for (std::uint32_t member = 0; member < group_.size(); ++member) {
      for (const Message& message : group_[member].messages) {
        if (message.from != Side::client) continue;
        const auto regions =
            find_regions(page_, Side::client, message.kind, message.bytes, find, wanted, false);
        if (regions.empty()) continue;
        Name name;
        name.recorded = recorded;
        name.role = Role::none;
        name.integer = regions.front().pieces.front().field.encoding == Encoding::integer;
        name.value = templates_[i];
        if (name.value.per_client()) name.member = member;
        names_.names_.push_back(std::move(name));
        return {};
      }
    }
    std::string found;
    for (const Name& name : names_.names_) {
      const char* what = name.role == Role::user ? "user " : name.role == Role::room ? "room " : "";
      found += (found.empty() ? "" : ", ") + std::string(what) + name.recorded;
    }
    return Trouble{"--rename " + recorded + ": no client of the recording sent this; " +
                   (found.empty() ? "the page finds no names in it" : "found were " + found)};
  }

  const Page& page_;
  std::span<const Conversation> group_;
  std::span<const Rename> renames_;
  std::vector<ValueTemplate> templates_;  // of renames_
  Names names_;
};

Expected<Names> Names::find(const Page& page, std::span<const Conversation> group, const NewNames& wanted) {
  return NameFinder(page, group, wanted).find();
}

std::optional<std::size_t> Names::self(std::uint32_t member) const {
  return member < self_.size() ? self_[member] : std::nullopt;
}

std::vector<std::size_t> Names::all_of(std::uint32_t member) const {
  std::vector<std::size_t> all;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (names_[i].role == Role::user && names_[i].member == member) all.push_back(i);
  }
  return all;
}

bool Names::needs_users() const noexcept {
  return std::any_of(names_.begin(), names_.end(), [](const Name& name) { return name.value.of_users(); });
}

std::optional<std::size_t> Names::find(Role role, std::string_view recorded, bool integer,
                                       std::uint32_t member) const {
  std::optional<std::size_t> of_no_role;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (names_[i].integer != integer || names_[i].recorded != recorded) continue;
    if (names_[i].role == Role::secret && (role != Role::secret || names_[i].member != member)) continue;
    if (names_[i].role == role) return i;
    if (names_[i].role == Role::none) of_no_role = i;
  }
  return of_no_role;
}

std::string Names::value(std::size_t i, CopyIndex index) const {
  std::string out;
  append_value(i, index, out);
  return out;
}

void Names::append_value(std::size_t i, CopyIndex index, std::string& out) const {
  const Name& name = names_[i];
  const std::size_t start = out.size();
  name.value.append(out, index, name.member == format::shared_by_all ? 0 : name.member, name.recorded,
                    users_.get());
  if (!name.integer) return;
  const std::size_t digits = start + (start < out.size() && out[start] == '-' ? 1 : 0);
  std::size_t zeros = 0;
  while (digits + zeros + 1 < out.size() && out[digits + zeros] == '0') ++zeros;
  out.erase(digits, zeros);
}

Expected<void> Names::distinct(std::uint32_t copies, std::uint32_t members, std::uint32_t per_cohort) const {
  struct Value {
    std::size_t hash = 0;
    std::uint32_t name = 0, copy = 0;
  };
  const auto index_of = [&](std::uint32_t copy) {
    return CopyIndex{copy, per_cohort == 0 ? 0 : copy / per_cohort, members};
  };
  std::vector<Value> values;
  std::string text;
  for (std::uint32_t i = 0; i < names_.size(); ++i) {
    if (names_[i].role == Role::secret) continue;
    const ValueTemplate& value = names_[i].value;
    const bool per_copy = value.per_client() || value.per_copy();
    for (std::uint32_t copy = 0; copy < copies; ++copy) {
      const bool repeats = !per_copy && copy > 0 &&
                           (!value.per_cohort() || index_of(copy).cohort == index_of(copy - 1).cohort);
      if (repeats) continue;
      text.clear();
      append_value(i, index_of(copy), text);
      values.push_back({std::hash<std::string>()(text), i, copy});
    }
  }
  std::sort(values.begin(), values.end(), [](const Value& a, const Value& b) { return a.hash < b.hash; });
  for (std::size_t i = 1; i < values.size(); ++i) {
    const Value &a = values[i - 1], &b = values[i];
    if (a.hash != b.hash || names_[a.name].role != names_[b.name].role) continue;
    const std::string both = value(a.name, index_of(a.copy));
    if (both != value(b.name, index_of(b.copy))) continue;
    return Trouble{names_[a.name].recorded + " of copy " + std::to_string(a.copy) + " and " +
                   names_[b.name].recorded + " of copy " + std::to_string(b.copy) + " would both be called " +
                   both + "; give them different templates with --rename"};
  }
  return {};
}

Expected<Rename> parse_rename(std::string_view text) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return Trouble{"--rename " + std::string(text) + " must be RECORDED=NEW, as in alice=u{client:07}"};
  }
  const Rename rename{std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
  if (rename.value.find("{user.") != std::string::npos) return rename;  // read with --users at hand
  if (auto value = ValueTemplate::parse(rename.value); !value)
    return Trouble{"--rename " + std::string(text) + ": " + value.error().what};
  return rename;
}

std::vector<format::Binding> bindings(const Names& names, CopyIndex index) {
  std::vector<format::Binding> all;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i].role == Role::secret) continue;
    all.push_back({index.copy, names[i].member, names[i].recorded, names.value(i, index)});
  }
  return all;
}

}  // namespace chorus::protocol
