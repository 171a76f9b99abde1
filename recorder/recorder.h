// A recording from start to end: the trace is opened, then the port; clients are taken in until somebody says
// enough.
//
//   open()   resolves, binds, creates the trace, listens     fails with one line, nothing is left behind
//   run()    accepts and forwards until a signal, --sessions or --duration ends it
//   close()  finishes the trace and gives it its name
#pragma once

#include "recorder/session.h"
#include "recorder/summary.h"

#include <optional>
#include <unordered_map>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

namespace chorus::recorder {

// One thread for everything here; the trace's writer has its own. The status line outlives it.
class Recorder {
 public:
  static Expected<std::unique_ptr<Recorder>> open(RecordOptions options, StatusLine& status);

  tcp::endpoint address() const { return address_; }  // where it listens: the real port
  void run();
  RecordSummary close();

 private:
  Recorder(RecordOptions options, StatusLine& status);
  Expected<void> bind();
  Expected<void> resolve_upstream();
  Expected<void> open_trace();
  void discard_trace();
  void accept();
  void on_accepted(tcp::socket client);
  void back_off(const Error& error);
  void on_ended(std::uint32_t id);
  void tick();
  void end(std::string_view by);

  RecordOptions options_;
  StatusLine& status_;
  boost::asio::io_context context_{1};
  std::vector<tcp::endpoint> upstream_;  // tried in turn
  LegSet legs_{context_};
  tcp::acceptor acceptor_{context_};
  tcp::endpoint address_;
  tcp::endpoint peer_;  // of the client that is being accepted
  tcp::socket next_server_{
      context_};  // opened before the accept, so that a client never lacks the second file
  boost::asio::steady_timer back_off_{context_}, tick_{context_}, deadline_{context_};
  boost::asio::signal_set signals_{context_};
  std::optional<Recording> recording_;
  std::unordered_map<std::uint32_t, std::shared_ptr<Session>> sessions_;
  std::string ended_by_;  // "" = still running
  std::string problem_;   // why nothing could be forwarded
  bool shortage_said_ = false;
};

}  // namespace chorus::recorder
