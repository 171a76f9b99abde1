// chat-server: the embedded server of the length/type packet chat, for the demo, the tests and for trying
// things. Options and the order of things; the chat stands in hall.h, the sockets in server.h.
#include "tests/chat_server/processes.h"
#include "tests/chat_server/server.h"
#include "traces/format/quantity.h"

#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#ifndef _WIN32
#include <unistd.h>
#endif

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using chorus::chat::Counts;
using Nanos = std::chrono::nanoseconds;

struct Options {
  chorus::Address listen{"127.0.0.1", 9898};
  unsigned processes = 1;
  chorus::chat::ServerOptions server;
  std::optional<Nanos> freeze_at;
  std::optional<Nanos> freeze_for;
  std::optional<Nanos> duration;
  bool stats = false;
};

int trouble(const std::string& what) {
  std::cerr << "chat-server: " << what << std::endl;
  return static_cast<int>(chorus::Exit::trouble);
}

chorus::Expected<chorus::chat::Moment> parse_moment(const std::string& text) {
  const std::map<std::string, std::uint64_t Counts::*> names{{"accepted", &Counts::accepted},
                                                             {"refused", &Counts::refused},
                                                             {"entered", &Counts::entered},
                                                             {"said", &Counts::said},
                                                             {"left", &Counts::left}};
  const auto equals = text.find('=');
  const auto name = names.find(text.substr(0, equals));
  std::uint64_t number = 0;
  if (equals != std::string::npos)
    std::from_chars(text.data() + equals + 1, text.data() + text.size(), number);
  if (name == names.end() || number == 0) return chorus::Trouble{"write it as entered=20, not " + text};
  return chorus::chat::Moment{text, name->second, number};
}

template <class Target>
CLI::Option* add_duration(CLI::App& app, const std::string& name, Target& target, const std::string& help,
                          const std::string& shown_default) {
  return app
      .add_option_function<std::string>(
          name,
          [name, &target](const std::string& text) {
            const auto duration = chorus::parse_duration(text);
            if (!duration) throw CLI::ValidationError(name, duration.error().what);
            target = *duration;
          },
          help)
      ->option_text(shown_default.empty() ? "D" : "D [" + shown_default + "]");
}

void add_options(CLI::App& app, Options& options) {
  auto& rules = options.server.rules;
  app.add_option_function<std::string>(
         "--listen",
         [&options](const std::string& text) {
           const auto address = chorus::parse_address(text, true);
           if (!address) throw CLI::ValidationError("--listen", address.error().what);
           options.listen = *address;
         },
         "where to listen; port 0 takes any free one; \"listening on HOST:PORT\" is printed when ready")
      ->option_text("HOST:PORT [" + chorus::show_address(options.listen) + "]");
  app.add_option_function<std::string>(
         "--dialect",
         [&rules](const std::string& name) {
           rules.dialect =
               name == "original" ? chorus::chat::Dialect::original : chorus::chat::Dialect::regular;
         },
         "original: other lengths, and no framing: one receive is one packet, as in the original server")
      ->check(CLI::IsMember({"regular", "original"}))
      ->option_text("regular|original [regular]");
  app.add_option("--max-clients", rules.max_clients,
                 "close every connection beyond N at once, without a packet (\"server full\"); of each "
                 "process; 0: no limit")
      ->option_text("N [0]");
  add_duration(app, "--latency", options.server.latency,
               "delay everything that is sent by D; the order is kept", "0");
  auto* at = add_duration(app, "--freeze-at", options.freeze_at,
                          "at D after the start stop reading and writing ...", "never");
  auto* length = add_duration(app, "--freeze-for", options.freeze_for, "... for D (with --freeze-at)", "");
  at->needs(length);
  length->needs(at);
  app.add_option("--drop-one-in", rules.drop_one_in,
                 "leave out each Nth delivery of a CHAT packet, counted over all receivers; 0: none")
      ->option_text("N [0]");
  add_duration(app, "--kill-at", options.server.kill_at, "die at D after the start, with exit status 1",
               "never");
  app.add_option_function<std::string>(
         "--count-from",
         [&options](const std::string& text) {
           auto moment = parse_moment(text);
           if (!moment) throw CLI::ValidationError("--count-from", moment.error().what);
           options.server.moment = std::move(*moment);
         },
         "--freeze-at and --kill-at count from the Nth time (of each process) that a connection was "
         "accepted, "
         "somebody entered, a chat packet was said, or a SERVER_EXIT came; \"WHAT=N reached\" is printed "
         "then")
      ->option_text("accepted|refused|entered|said|left=N [the start]");
  app.add_option("--reset-one-in", rules.reset_one_in,
                 "reset each Nth accepted connection when it sends its SERVER_ENTER; 0: none")
      ->option_text("N [0]");
  app.add_option(
         "--processes", options.processes,
         "serve in N processes that share the port and nothing else: names and rooms do not span processes")
      ->check(CLI::Range(1u, chorus::chat::most_processes))
      ->option_text("N [1]");
  add_duration(app, "--duration", options.duration, "end by itself after D", "until SIGINT or SIGTERM");
  app.add_flag("--stats", options.stats, "print one line of JSON with what happened, at the end");
}

// Listens at `address`; its port is replaced by the one that was given.
boost::system::error_code listen(tcp::acceptor& acceptor, chorus::Address& address, bool share_port) {
  boost::system::error_code error;
  const auto found =
      tcp::resolver(acceptor.get_executor()).resolve(address.host, std::to_string(address.port), error);
  if (error) return error;
  const tcp::endpoint endpoint = *found.begin();
  acceptor.open(endpoint.protocol(), error);
#ifndef _WIN32  // there the option would let two servers share the port by accident
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  using reuse_port = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;
  if (!error && share_port) acceptor.set_option(reuse_port(true), error);
#else
  (void)share_port;
#endif
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(4096, error);
  if (!error) address.port = acceptor.local_endpoint(error).port();
  return error;
}

// One process: until a signal or the end of --duration. `ready` is called when signals are handled.
Counts serve(asio::io_context& io, tcp::acceptor acceptor, const Options& options,
             const std::function<void()>& ready) {
  chorus::chat::Server server(std::move(acceptor), options.server);
  asio::signal_set signals(io, SIGINT, SIGTERM);
  signals.async_wait([&io](const boost::system::error_code& error, int) {
    if (!error) io.stop();
  });
  asio::steady_timer end(io);
  if (options.duration) {
    end.expires_after(*options.duration);
    end.async_wait([&io](const boost::system::error_code& error) {
      if (!error) io.stop();
    });
  }
  server.start();
  ready();
  io.run();
  return server.counts();
}

void say_ready(const chorus::Address& address) {
  std::cout << "listening on " << chorus::show_address(address) << std::endl;
}

void print_stats(const Counts& counts) {
  std::cout << "{\"accepted\": " << counts.accepted << ", \"refused\": " << counts.refused
            << ", \"entered\": " << counts.entered << ", \"messages_in\": " << counts.messages_in
            << ", \"said\": " << counts.said << ", \"left\": " << counts.left
            << ", \"deliveries\": " << counts.deliveries << ", \"dropped\": " << counts.dropped
            << ", \"malformed\": " << counts.malformed << ", \"misread\": " << counts.misread
            << ", \"lost\": " << counts.lost << ", \"slow_closed\": " << counts.slow_closed << "}"
            << std::endl;
}

std::string cannot_listen(const Options& options, const boost::system::error_code& error) {
  return "cannot listen on " + chorus::show_address(options.listen) + ": " + error.message() +
         "; choose another --listen, or port 0 for any free one";
}

int run_one(Options& options) {
  asio::io_context io(1);
  tcp::acceptor acceptor(io);
  if (const auto error = listen(acceptor, options.listen, false))
    return trouble(cannot_listen(options, error));
  const Counts counts = serve(io, std::move(acceptor), options, [&] { say_ready(options.listen); });
  if (options.stats) print_stats(counts);
  return 0;
}

#ifdef _WIN32
int run_many(Options&) {
  return trouble(chorus::chat::serve_in_processes(0, {}, {}).error().what);
}
#else
// All listen before the first is ready, so that the kernel spreads connections over all from the start.
int run_many(Options& options) {
  struct Listener {
    tcp protocol;
    int socket;
  };
  std::vector<Listener> listeners;
  {
    asio::io_context before_fork;
    for (unsigned i = 0; i < options.processes; ++i) {
      tcp::acceptor acceptor(before_fork);
      if (const auto error = listen(acceptor, options.listen, true))
        return trouble(cannot_listen(options, error));
      const tcp protocol = acceptor.local_endpoint().protocol();
      listeners.push_back({protocol, acceptor.release()});
    }
  }
  const auto serve_one = [&](unsigned index, const std::function<void()>& ready) {
    for (unsigned i = 0; i < options.processes; ++i) {
      if (i != index) ::close(listeners[i].socket);
    }
    asio::io_context io(1);
    return serve(io, tcp::acceptor(io, listeners[index].protocol, listeners[index].socket), options, ready);
  };
  const auto served =
      chorus::chat::serve_in_processes(options.processes, serve_one, [&] { say_ready(options.listen); });
  if (!served) return trouble(served.error().what);
  if (options.stats) print_stats(served->counts);
  return served->whole ? 0 : 1;
}
#endif

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"The embedded chat server: length/type packets with rooms, broadcast, multicast and unicast."};
  Options options;
  add_options(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    return trouble(std::string(error.what()) + " (chat-server --help lists the options)");
  }
  if (options.freeze_at) options.server.freeze = {*options.freeze_at, *options.freeze_for};
  chorus::chat::raise_file_limit();
  return options.processes == 1 ? run_one(options) : run_many(options);
}
