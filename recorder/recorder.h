// A recording from start to end: the trace is opened, then the port; clients are taken in until somebody says
// enough.
//
//   open()   resolves, binds, creates the trace, listens     fails with one line, nothing is left behind
//   run()    accepts and forwards until a signal, --sessions or --duration ends it
//   close()  finishes the trace and gives it its name
#pragma once

#include "recorder/lane.h"
#include "recorder/recording.h"
#include "recorder/session.h"
#include "recorder/summary.h"

#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

namespace chorus::recorder {

// The caller's thread accepts, and is the first lane; the other lanes have one each while run() lasts, the
// trace's writer has its own. The status line outlives it.
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
  Lane& accepting() { return *lanes_.front(); }
  Lane& least_busy();
  Expected<void> arm();
  std::vector<std::thread> start_others();
  void accept();
  void on_accepted(Lane& lane, tcp::socket client);
  void open_session(Lane& lane, Session::Arrival arrival);
  void back_off(const Error& error);
  void on_ended(Lane& lane);
  void tick();
  void end(std::string_view by);
  static void stop(Lane& lane);
  Totals totals() const;

  RecordOptions options_;
  StatusLine& status_;
  std::vector<tcp::endpoint> upstream_;  // tried in turn
  std::optional<Recording> recording_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  boost::asio::io_context& context_;  // the accepting lane's
  tcp::acceptor acceptor_{context_};
  tcp::endpoint address_;
  tcp::endpoint peer_;                      // of the client that is being accepted
  std::optional<tcp::socket> next_server_;  // there before the accept: no client ever lacks the second file
  Lane* next_lane_ = nullptr;               // that socket's
  boost::asio::steady_timer back_off_{context_}, tick_{context_}, deadline_{context_};
  boost::asio::signal_set signals_{context_};
  Totals accepted_;       // what is counted here, the rest is the recording's
  std::string ended_by_;  // "" = still running
  std::string problem_;   // why nothing could be forwarded
  bool shortage_said_ = false;
};

}  // namespace chorus::recorder
