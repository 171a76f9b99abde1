#include "traces/format/trouble.h"

#include <stdexcept>

namespace chorus {

void throw_exception_from_error(const Trouble& trouble, const boost::source_location& where) {
  throw std::logic_error(where.to_string() +
                         ": a value was asked for where there is trouble: " + trouble.what);
}

}  // namespace chorus
