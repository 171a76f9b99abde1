// A real MQTT broker and real MQTT clients, all Debian's: mosquitto on a free port, mosquitto_sub and
// mosquitto_pub.
#pragma once

#include "tests/loop/real_program.h"

namespace chorus::test {

enum class MqttVersion { v311, v5 };

struct MqttOptions {
  int max_connections = -1;       // -1: no limit
  std::vector<Account> accounts;  // not empty: nobody else gets in, and nobody without a password
};

// All other limits are lifted and nothing is kept.
class MqttServer : public RealServer {
 public:
  explicit MqttServer(MqttOptions options = {});
  const MqttOptions& options() const { return options_; }

 private:
  std::vector<std::string> configured(std::uint16_t port) const;
  MqttOptions options_;
};

// Who connects where, and how. The client id is the account's name; no password: none is sent, and no name.
struct MqttUser {
  std::uint16_t port = 0;
  MqttVersion version = MqttVersion::v311;
  Account account;
};

// One mosquitto_sub with QoS 1.
class MqttSubscriber {
 public:
  MqttSubscriber(const MqttUser& user, const std::string& topic);  // returns when subscribed
  void wait_for(const std::string& text);                          // a message with this text
  void finish();  // after think_time: says goodbye, and returns when it has left

 private:
  Process process_;
};

// One mosquitto_pub that stays connected and publishes each line that it is told.
class MqttPublisher {
 public:
  MqttPublisher(const MqttUser& user, const std::string& topic, int qos);
  void publish(const std::string& text);  // after think_time
  void finish();                          // disconnects

 private:
  ScratchFolder folder_;
  Fifo input_;
  Process process_;
};

// One mosquitto_pub that connects after think_time, publishes one message and disconnects.
void publish_once(const MqttUser& user, const std::string& topic, int qos, const std::string& text);

// Records four connections on chat/room1: alice subscribes (QoS 1), bob publishes three messages with QoS 1,
// carol one with QoS 0, dave one with QoS 2; alice has all five and leaves a little later: a client that
// leaves at the very moment of hearing something is replayed by time alone, and may leave before it. A server
// with accounts must know the four.
void record_mqtt(const MqttServer& server, const std::string& trace, MqttVersion version);

}  // namespace chorus::test
