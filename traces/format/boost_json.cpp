// Boost.JSON is used without its library: this is the one place where its bodies are compiled. Every other
// room includes <boost/json.hpp> and links against this one.
#include <boost/json/src.hpp>
