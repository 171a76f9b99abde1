// chat-client: one scripted user of the packet chat, for the demo's session and for tests. It enters, joins a
// room (and says so, for whoever starts the next one), talks with a person's pauses while it reads
// everything, and leaves. It succeeds only if each of its own packets came back. Driving many of these is not
// its business: that is what `chorus replay` is for.
#include "tests/chat_server/packets.h"
#include "traces/format/quantity.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <fstream>
#include <functional>
#include <iostream>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

namespace {

namespace asio = boost::asio;
using namespace chorus::chat;
using boost::system::error_code;
using Nanos = std::chrono::nanoseconds;

struct Options {
  chorus::Address connect;
  std::string nick;
  std::int32_t room = 1;
  std::string script;
  unsigned messages = 20;
  Nanos every = std::chrono::milliseconds(500);
  Nanos start_after{0};
  Nanos patience = std::chrono::seconds(30);
  unsigned seed = 1;
  Dialect dialect = Dialect::regular;
};

// --- what is said, and when --------------------------------------------------------------------------------

struct Saying {
  std::string packet;
  bool is_echoed = true;
};

constexpr std::array said = {
    "hi all",
    "anybody awake?",
    "good morning :)",
    "did the build get through?",
    "yes, about an hour ago",
    "no, it hangs in the second test again",
    "lol",
    "give me a minute, I am on the phone",
    "back",
    "what was the port of the new server?",
    "9898, same as ever",
    "I can not connect from here",
    "try it without the proxy",
    "ah, now it works, thanks!",
    "np",
    "who else is coming to lunch?",
    "not me, still have to write that report for tomorrow",
    "brb",
    "ok",
    "by the way, has anybody seen how the room behaves when somebody leaves in the middle of a sentence",
    "it just says that he left",
    "see you later then",
    "did you read the article about chat servers I sent you?",
    "half of it. The part about slow readers explains a lot of what we saw last week"};

Saying in_packet(const Options& options, std::string_view line) {
  if (line.starts_with("/all ")) return {chat_packet(Type::broadcast, options.nick, line.substr(5))};
  if (line.starts_with("/to ")) {
    const std::string_view rest = line.substr(4);
    const std::size_t blank = std::min(rest.find(' '), rest.size());
    const std::string_view text = rest.substr(std::min(blank + 1, rest.size()));
    return {in_dialect(options.dialect, unicast(rest.substr(0, blank), options.nick, text)),
            rest.substr(0, blank) == options.nick};
  }
  return {chat_packet(Type::multicast, options.nick, line)};
}

// One in eight to everybody, as the original stress tool did.
std::vector<Saying> small_talk(const Options& options, std::mt19937& random) {
  std::vector<Saying> sayings;
  for (unsigned i = 0; i < options.messages; ++i) {
    const std::string text = said[random() % said.size()];
    sayings.push_back(in_packet(options, i % 8 == 7 ? "/all " + text : text));
  }
  return sayings;
}

chorus::Expected<std::vector<Saying>> read_script(const Options& options) {
  std::ifstream file(options.script);
  if (!file) return chorus::Trouble{"cannot read the script " + options.script};
  std::vector<Saying> sayings;
  std::string line;
  for (unsigned number = 1; std::getline(file, line); ++number) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.size() > text_limit) {
      return chorus::Trouble{options.script + ", line " + std::to_string(number) +
                             ": longer than a text may be (" + std::to_string(text_limit) + " bytes)"};
    }
    if (!line.empty()) sayings.push_back(in_packet(options, line));
  }
  return sayings;
}

// Around `mean`, and like a person's: mostly a little shorter, now and then much longer.
Nanos pause(Nanos mean, std::mt19937& random) {
  constexpr double spread = 0.5;
  std::normal_distribution<double> normal(-spread * spread / 2, spread);
  return Nanos(
      static_cast<Nanos::rep>(static_cast<double>(mean.count()) * std::min(4.0, std::exp(normal(random)))));
}

// --- the connection ----------------------------------------------------------------------------------------

// Reads whenever the script waits; the script itself is run(), from top to bottom.
class User {
 public:
  explicit User(const Options& options) : options_(options), socket_(io_) {}

  error_code connect() {
    error_code error;
    const auto found = asio::ip::tcp::resolver(io_).resolve(options_.connect.host,
                                                            std::to_string(options_.connect.port), error);
    if (!error) asio::connect(socket_, found, error);
    if (!error) socket_.set_option(asio::ip::tcp::no_delay(true), error);
    return error;
  }

  // What went wrong, or nothing.
  std::optional<std::string> run(const std::vector<Saying>& sayings, std::mt19937& random) {
    listen();
    send(named_packet(Type::server_enter, options_.nick));
    if (!reaches([&] { return code_.has_value(); })) return missing("an answer to SERVER_ENTER");
    if (code_ == Code::nickname_exists) return "the nickname " + options_.nick + " is in use";
    await(in_dialect(options_.dialect, room_enter(options_.nick, options_.room)));
    if (!all_came()) return missing("the echo of ROOM_ENTER");
    std::cout << options_.nick << ": in room " << options_.room << std::endl;
    wait(options_.start_after);
    for (const Saying& saying : sayings) {
      wait(pause(options_.every, random));
      if (ended_) return missing("the rest of the session");
      if (saying.is_echoed)
        await(saying.packet);
      else
        send(saying.packet);
      ++sent_;
      // The original takes what comes together for one packet: nothing more before the answer to the last.
      if (options_.dialect == Dialect::original && !all_came()) break;
    }
    if (!all_came()) return missing(std::to_string(awaited_.size()) + " echoes of own packets");
    if (code_ == Code::not_found) return "the server did not find somebody that the script talks to";
    wait(pause(options_.every, random));
    await(named_packet(Type::server_exit, options_.nick));
    if (!all_came()) return missing("the echo of SERVER_EXIT");
    if (!reaches([&] { return ended_.has_value(); })) return missing("the end of the connection");
    if (*ended_ != asio::error::eof) return "the connection ended with: " + ended_->message();
    return std::nullopt;
  }

  std::string account() const {
    return options_.nick + ": " + std::to_string(sent_) + " said, " + std::to_string(echoed_) + " own and " +
           std::to_string(heard_) + " other packets came";
  }

 private:
  void listen() {
    socket_.async_read_some(asio::buffer(buffer_), [this](const error_code& error, std::size_t size) {
      if (error) {
        ended_ = error;
        return;
      }
      inbox_.append(buffer_.data(), size);
      std::string_view rest = inbox_;
      while (const auto packet = take_packet(rest, options_.dialect)) hear(*packet);
      inbox_.erase(0, inbox_.size() - rest.size());
      listen();
    });
  }

  void hear(const Packet& packet) {
    const auto own = std::find(awaited_.begin(), awaited_.end(), packet.whole);
    if (own != awaited_.end()) {
      awaited_.erase(own);
      ++echoed_;
      return;
    }
    if (packet.type == static_cast<unsigned>(Type::server_message) && packet.body.size() == 4) {
      code_ = static_cast<Code>(u32_at(packet.body, 0));
    }
    ++heard_;
  }

  void send(const std::string& packet) {
    error_code error;
    asio::write(socket_, asio::buffer(packet), error);
    if (error && !ended_) ended_ = error;
  }

  // Sends a packet that comes back to its sender.
  void await(const std::string& packet) {
    awaited_.push_back(packet);
    send(packet);
  }

  bool reaches(const std::function<bool()>& goal) {
    const auto end = std::chrono::steady_clock::now() + options_.patience;
    while (!goal() && !ended_ && std::chrono::steady_clock::now() < end) io_.run_one_until(end);
    return goal();
  }
  bool all_came() {
    return reaches([&] { return awaited_.empty(); });
  }

  void wait(Nanos length) {
    const auto end = std::chrono::steady_clock::now() + length;
    while (!ended_ && std::chrono::steady_clock::now() < end) io_.run_one_until(end);
  }

  std::string missing(const std::string& what) const {
    const std::string why = ended_ ? "the connection ended first (" + ended_->message() + ")"
                                   : "not within " + chorus::show_duration(options_.patience);
    return what + " did not come: " + why;
  }

  const Options& options_;
  asio::io_context io_{1};
  asio::ip::tcp::socket socket_;
  std::array<char, 16 * 1024> buffer_{};
  std::string inbox_;                 // from the last whole packet on
  std::vector<std::string> awaited_;  // own packets that have not come back
  std::optional<Code> code_;          // of the latest SERVER_MESSAGE
  std::optional<error_code> ended_;
  std::size_t sent_ = 0;
  std::size_t echoed_ = 0;
  std::size_t heard_ = 0;
};

// --- options -----------------------------------------------------------------------------------------------

void add_duration(CLI::App& app, const std::string& name, Nanos& target, const std::string& help) {
  app.add_option_function<std::string>(
         name,
         [name, &target](const std::string& text) {
           const auto duration = chorus::parse_duration(text);
           if (!duration) throw CLI::ValidationError(name, duration.error().what);
           target = *duration;
         },
         help)
      ->option_text("D [" + chorus::show_duration(target) + "]");
}

void add_options(CLI::App& app, Options& options) {
  app.add_option_function<std::string>(
         "--connect",
         [&options](const std::string& text) {
           const auto address = chorus::parse_address(text);
           if (!address) throw CLI::ValidationError("--connect", address.error().what);
           options.connect = *address;
         },
         "the server")
      ->option_text("HOST:PORT (required)")
      ->required();
  app.add_option("--nick", options.nick, "1 to 31 bytes")
      ->option_text("NAME (required)")
      ->required()
      ->check([](const std::string& name) {
        return name.empty() || name.size() >= name_width ? "a nickname has 1 to 31 bytes" : std::string();
      });
  app.add_option("--room", options.room, "the room to join")->option_text("N [1]");
  auto* messages =
      app.add_option("--messages", options.messages, "make N texts of small talk, one in eight to everybody")
          ->option_text("N [20]");
  app.add_option(
         "--script", options.script,
         "say the lines of FILE: to the room, after \"/all \" to everybody, after \"/to NAME \" to one")
      ->option_text("FILE")
      ->excludes(messages);
  add_duration(app, "--every", options.every, "the mean of the pauses between texts");
  add_duration(app, "--start-after", options.start_after, "wait that long in the room before the first text");
  add_duration(app, "--patience", options.patience, "how long to wait for what has to come");
  app.add_option_function<std::string>(
         "--dialect",
         [&options](const std::string& name) {
           options.dialect = name == "original" ? Dialect::original : Dialect::regular;
         },
         "original: other lengths, and each packet only after the answer to the last")
      ->check(CLI::IsMember({"regular", "original"}))
      ->option_text("regular|original [regular]");
  app.add_option("--seed", options.seed, "of pauses and small talk (with the nickname)")
      ->option_text("N [1]");
}

int fail(chorus::Exit status, const std::string& what) {
  std::cerr << "chat-client: " << what << std::endl;
  return static_cast<int>(status);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"A scripted user of the packet chat: exits 0 if everything of its own came back."};
  Options options;
  add_options(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    return fail(chorus::Exit::trouble, std::string(error.what()) + " (chat-client --help lists the options)");
  }
  std::seed_seq seed(options.nick.begin(), options.nick.end());
  std::mt19937 random(seed);
  random.seed(static_cast<unsigned>(random()) ^ options.seed);

  const auto sayings = options.script.empty() ? small_talk(options, random) : read_script(options);
  if (!sayings) return fail(chorus::Exit::trouble, sayings.error().what);
  User user(options);
  if (const auto error = user.connect()) {
    return fail(chorus::Exit::trouble, "cannot connect to " + chorus::show_address(options.connect) + ": " +
                                           error.message() + "; is the server running?");
  }
  const auto wrong = user.run(*sayings, random);
  std::cout << user.account() << std::endl;
  return wrong ? fail(chorus::Exit::differs, options.nick + ": " + *wrong) : 0;
}
