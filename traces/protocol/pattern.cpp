#include "traces/protocol/pattern.h"

#include <boost/regex.hpp>

namespace chorus::protocol {

struct Pattern::Compiled {
  boost::regex regex;
};

Expected<Pattern> Pattern::compile(std::string_view text) {
  Pattern pattern;
  try {
    pattern.compiled_ = std::make_shared<const Compiled>(
        Compiled{boost::regex(text.data(), text.data() + text.size(), boost::regex::perl)});
  } catch (const std::runtime_error& error) {
    std::string why = error.what();  // its second sentence repeats the expression
    if (const auto end = why.find(".  The error"); end != std::string::npos) why.resize(end);
    return Trouble{"not a regular expression: " + why};
  }
  return pattern;
}

std::vector<Bytes> Pattern::groups(Bytes bytes) const {
  std::vector<Bytes> found;
  boost::match_results<const char*> match;
  try {
    if (!boost::regex_search(bytes.data(), bytes.data() + bytes.size(), match, compiled_->regex))
      return found;
  } catch (const std::runtime_error&) {  // Boost gives up on expressions whose work explodes
    return found;
  }
  for (const auto& group : match) {
    found.push_back(group.matched ? Bytes(group.first, static_cast<std::size_t>(group.length()))
                                  : Bytes(bytes.data(), 0));
  }
  return found;
}

std::optional<std::vector<std::pair<std::size_t, std::size_t>>> Pattern::all(Bytes bytes) const {
  std::vector<std::pair<std::size_t, std::size_t>> found;
  const auto add = [&](const boost::csub_match& part) {
    if (part.matched && part.length() > 0)
      found.emplace_back(static_cast<std::size_t>(part.first - bytes.data()),
                         static_cast<std::size_t>(part.length()));
  };
  try {
    for (boost::cregex_iterator match(bytes.data(), bytes.data() + bytes.size(), compiled_->regex), end;
         match != end; ++match) {
      const std::size_t before = found.size();
      for (std::size_t group = 1; group < match->size(); ++group) add((*match)[static_cast<int>(group)]);
      if (found.size() == before) add((*match)[0]);
    }
  } catch (const std::runtime_error&) {
    return std::nullopt;
  }
  return found;
}

bool Pattern::matches(Bytes bytes) const {
  try {
    return boost::regex_search(bytes.data(), bytes.data() + bytes.size(), compiled_->regex);
  } catch (const std::runtime_error&) {
    return false;
  }
}

std::size_t Pattern::group_count() const noexcept {
  return compiled_->regex.mark_count();
}

}  // namespace chorus::protocol
