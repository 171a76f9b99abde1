// How functions of this project fail.
//
// Bad input (a damaged file, a wrong flag, a mistake in a page) is a value: Expected<T> holds a Trouble, one
// line that says what was found, what was expected and what to do next. Failures of the network are
// boost::system::error_code. A bug is an assert. Nothing throws across a room's border.
#pragma once

#include <string>

#include <boost/system/result.hpp>

namespace chorus {

struct Trouble {
  std::string what;  // one line, without a full stop, without "error:"
};

template <class T>
using Expected = boost::system::result<T, Trouble>;

// Called by boost::system::result when a value is asked for that is not there: a bug of the caller.
[[noreturn]] void throw_exception_from_error(const Trouble& trouble, const boost::source_location& where);

// Exit status of every subcommand; see "Exit status" in README.md.
enum class Exit : int { ok = 0, differs = 1, trouble = 2, inconclusive = 3 };

}  // namespace chorus
