// Framing by XML elements, for a connection that is one long document (XMPP, RFC 6120): the root's open tag,
// whole elements at depth 1, the root's close tag, and single white space bytes between them (keep-alives).
// An XML declaration belongs to the tag behind it. With no root, each element of the stream is a message.
//
// Nothing of the root is remembered from one message to the next: each is looked at from depth 0, so an open
// tag of the root is a message wherever it comes, and a stream that restarts (after SASL) needs no rule.
//
// This is no XML parser: it finds where elements end. Attributes may hold '>' and '/' in their quotes, CDATA
// may hold anything. Comments, processing instructions and DOCTYPE are broken, since RFC 6120 (11.1) forbids
// them. Names of inner close tags are not compared: a stanza that is not well-formed ends where its tags
// balance, and what it is worth is for whoever reads its content. White space before the first tag is
// keep-alives: to tell it from those, a message would have to wait for bytes that may never come.
//
// The scanner is a state machine over bytes that can stop at any of them; text, quotes and CDATA, where most
// bytes are, are crossed with memchr.
#include "traces/protocol/framing_kinds.h"

#include <algorithm>
#include <cstring>

namespace chorus::protocol {
namespace {

// What the next byte is part of. Stands in Scan::state; `between` is a fresh Scan.
enum class In : std::uint8_t {
  between,       // messages: at the start of one
  prolog,        // behind the XML declaration
  text,          // inside an element
  markup,        // behind '<'
  tag,           // behind '<x'
  slash,         // behind '<x/'
  quoted,        // in '...' of a tag
  quoted_twice,  // in "..." of a tag
  close,         // behind '</'
  close_name,    // behind '</x'
  close_space,   // behind '</x '
  declaration,   // behind '<?'
  question,      // behind a '?' there
  bang,          // behind '<!'
  cdata,         // behind '<![CDATA['
  bracket,       // behind a ']' there
  brackets       // behind ']]' or more there
};

constexpr std::uint8_t max_depth = 64;  // of open elements; stanzas have less than ten

constexpr bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

// Whether a byte is one of a few; a table, since every byte of a tag is asked.
class OneOf {
 public:
  constexpr explicit OneOf(std::string_view bytes) {
    for (const char c : bytes) is_[static_cast<unsigned char>(c)] = true;
  }
  constexpr bool operator()(char c) const { return is_[static_cast<unsigned char>(c)]; }

 private:
  bool is_[256] = {};
};
constexpr OneOf is_no_name(" \n\r\t<>/?!=\"'&");
constexpr OneOf matters_in_tag("<>/\"'");

// One call's look at the bytes. step() takes one byte; it leaves `ends` or `why` set when that byte decides.
class Scanner {
 public:
  Scanner(const Framing& framing, Bytes bytes, Scan& scan)
      : root_(framing.root), bytes_(bytes), scan_(scan), in_(static_cast<In>(scan.state)) {}

  // Looks at no byte from `end` on.
  Frame run(std::size_t end) {
    std::size_t at = scan_.at;
    for (; at < end; ++at) {
      at = skip(at, end);
      if (at == end) break;
      at_ = at;
      step(bytes_[at]);
      if (why_ != nullptr) return broken(why_);
      if (ends_) return message_of(at + 1);
    }
    scan_.at = at;
    scan_.state = static_cast<std::uint8_t>(in_);
    return more(bytes_.size() + 1);
  }

 private:
  // To the next byte that can change anything.
  std::size_t skip(std::size_t at, std::size_t end) const {
    char wanted = 0;
    switch (in_) {
      case In::text:
        wanted = '<';
        break;
      case In::quoted:
        wanted = '\'';
        break;
      case In::quoted_twice:
        wanted = '"';
        break;
      case In::cdata:
        wanted = ']';
        break;
      case In::tag:
        while (at < end && !matters_in_tag(bytes_[at])) ++at;
        return at;
      case In::close_name:
        while (at < end && !is_no_name(bytes_[at])) ++at;
        return at;
      default:
        return at;
    }
    const void* found = std::memchr(bytes_.data() + at, wanted, end - at);
    return found == nullptr ? end : static_cast<std::size_t>(static_cast<const char*>(found) - bytes_.data());
  }

  void step(char c) {
    switch (in_) {
      case In::between:
      case In::prolog:
      case In::text:
        return outside_tags(c);
      case In::markup:
        return markup(c);
      case In::tag:
      case In::slash:
      case In::quoted:
      case In::quoted_twice:
        return tag(c);
      case In::close:
      case In::close_name:
      case In::close_space:
        return close(c);
      case In::declaration:
      case In::question:
        return declaration(c);
      case In::bang:
      case In::cdata:
      case In::bracket:
      case In::brackets:
        return cdata(c);
    }
  }

  void outside_tags(char c) {
    if (c == '<') {
      scan_.tag = static_cast<std::uint32_t>(at_);
      in_ = In::markup;
    } else if (in_ == In::between && is_space(c)) {
      ends_ = true;
    } else if (in_ != In::text && !is_space(c)) {
      why_ = "text stands outside of any XML element";
    }
  }

  void markup(char c) {
    if (c == '/') {
      in_ = In::close;
    } else if (c == '!') {
      in_ = In::bang;
      if (scan_.depth == 0) why_ = "a comment, DOCTYPE or CDATA stands outside of any XML element";
    } else if (c == '?') {
      in_ = In::declaration;
      if (scan_.tag != 0) why_ = "an XML processing instruction stands inside a message";
    } else if (!is_no_name(c)) {
      in_ = In::tag;
    } else {
      why_ = "a '<' begins no XML tag";
    }
  }

  void tag(char c) {
    if (in_ == In::quoted || in_ == In::quoted_twice) {
      in_ = In::tag;  // skip() stops at the closing quote only
    } else if (c == '>') {
      opened(in_ == In::slash);
    } else if (in_ == In::slash) {
      why_ = "a '/' stands in the middle of an XML tag";
    } else if (c == '/') {
      in_ = In::slash;
    } else if (c == '\'') {
      in_ = In::quoted;
    } else if (c == '"') {
      in_ = In::quoted_twice;
    } else if (c == '<') {
      why_ = "an XML tag begins inside another";
    }
  }

  void opened(bool and_closed) {
    in_ = In::text;
    if (scan_.depth == 0 && is_root(scan_.tag + 1)) {
      ends_ = true;
    } else if (and_closed) {
      ends_ = scan_.depth == 0;
    } else if (scan_.depth == max_depth) {
      why_ = "XML elements are nested too deeply";
    } else {
      ++scan_.depth;
    }
  }

  void close(char c) {
    if (in_ == In::close) {
      in_ = In::close_name;
      if (is_no_name(c)) why_ = "a '</' begins no XML tag";
    } else if (c == '>') {
      closed();
    } else if (is_space(c)) {
      in_ = In::close_space;
    } else if (in_ == In::close_space || is_no_name(c)) {
      why_ = "an XML close tag has more than a name";
    }
  }

  void closed() {
    in_ = In::text;
    if (scan_.depth == 0) {
      if (!is_root(scan_.tag + 2)) why_ = "an XML close tag closes nothing";
      ends_ = true;
    } else {
      --scan_.depth;
      ends_ = scan_.depth == 0;
    }
  }

  // <?xml ... ?>, at the start of a message only.
  void declaration(char c) {
    if (in_ == In::question && c == '>') {
      in_ = In::prolog;
      if (!is_name("xml", 2)) why_ = "an XML processing instruction is not the XML declaration";
    } else {
      in_ = c == '?' ? In::question : In::declaration;
    }
  }

  void cdata(char c) {
    constexpr std::string_view opening = "<![CDATA[";
    const std::size_t behind = at_ - scan_.tag;  // '<'
    if (in_ == In::bang) {
      if (c != opening[behind]) why_ = "a comment or DOCTYPE stands inside an XML element";
      if (behind + 1 == opening.size()) in_ = In::cdata;
    } else if (c == ']') {
      in_ = in_ == In::cdata ? In::bracket : In::brackets;
    } else {
      in_ = in_ == In::brackets && c == '>' ? In::text : In::cdata;
    }
  }

  bool is_root(std::size_t at) const { return !root_.empty() && is_name(root_, at); }
  // Whether exactly this name stands there, in the tag that ends with this step.
  bool is_name(std::string_view name, std::size_t at) const {
    const Bytes here = bytes_.substr(at, at_ + 1 - at);
    if (here.size() <= name.size() || !here.starts_with(name)) return false;
    const char behind = here[name.size()];
    return is_space(behind) || behind == '>' || behind == '/' || behind == '?';
  }

  std::string_view root_;
  Bytes bytes_;
  Scan& scan_;
  In in_;
  std::size_t at_ = 0;  // of this step's byte
  bool ends_ = false;
  const char* why_ = nullptr;
};

}  // namespace

Frame next_element(const Framing& framing, Bytes bytes, Scan& scan) noexcept {
  const Frame frame =
      Scanner(framing, bytes, scan).run(std::min<std::size_t>(bytes.size(), framing.max_message));
  if (frame.is == Frame::Is::more && bytes.size() >= framing.max_message) {
    return broken("an XML element is longer than any message may be");
  }
  return frame;
}

}  // namespace chorus::protocol
