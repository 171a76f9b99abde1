#include "tests/loop/mqtt_fixture.h"

#include <csignal>
#include <fstream>
#include <stdexcept>

namespace chorus::test {
namespace {

// The arguments that both clients share. -d makes them say what they send and get.
std::vector<std::string> arguments(const std::string& program, const MqttUser& user, const std::string& topic,
                                   int qos) {
  std::vector<std::string> line{installed(program),
                                "-d",
                                "-h",
                                "127.0.0.1",
                                "-p",
                                std::to_string(user.port),
                                "-V",
                                user.version == MqttVersion::v5 ? "mqttv5" : "mqttv311",
                                "-i",
                                user.account.name,
                                "-t",
                                topic,
                                "-q",
                                std::to_string(qos)};
  if (!user.account.password.empty())
    line.insert(line.end(), {"-u", user.account.name, "-P", user.account.password});
  return line;
}

// What is said goes to a pipe: without stdbuf it would come in blocks, too late.
std::vector<std::string> subscriber(const MqttUser& user, const std::string& topic) {
  std::vector<std::string> line{"stdbuf", "-oL"};
  const auto rest = arguments("/usr/bin/mosquitto_sub", user, topic, 1);
  line.insert(line.end(), rest.begin(), rest.end());
  return line;
}

std::vector<std::string> publisher(const MqttUser& user, const std::string& topic, int qos,
                                   const Fifo& input) {
  std::vector<std::string> line{"sh", "-c", R"(input=$1; shift; exec stdbuf -oL "$@" < "$input")", "sh",
                                input.path()};
  const auto rest = arguments("/usr/bin/mosquitto_pub", user, topic, qos);
  line.insert(line.end(), rest.begin(), rest.end());
  line.push_back("-l");
  return line;
}

void expect_success(Process& process, const std::string& who) {
  if (const int status = process.wait(); status != 0)
    throw std::runtime_error(who + " ended with " + std::to_string(status) + ": " + process.out_rest() +
                             process.err_rest());
}

}  // namespace

MqttServer::MqttServer(MqttOptions options) : options_(std::move(options)) {
  start([this](std::uint16_t port) { return configured(port); },
        {" running", "Address already in use", "Error:"});
}

// `user root`: started by root it would become mosquitto, who may not look into our folder; for anybody else
// the line means nothing.
std::vector<std::string> MqttServer::configured(std::uint16_t port) const {
  const std::string file = folder_ / "mosquitto.conf";
  std::ofstream text(file);
  text << "user root\nlistener " << port << " 127.0.0.1\nmax_connections " << options_.max_connections
       << "\nmax_inflight_messages 0\nmax_queued_messages 0\npersistence false\nlog_dest stderr\n"
       << "allow_anonymous " << (options_.accounts.empty() ? "true" : "false") << "\n";
  if (!options_.accounts.empty()) {
    const std::string passwords = folder_ / "passwords";
    std::ofstream list(passwords);
    for (const Account& account : options_.accounts) list << account.name << ":" << account.password << "\n";
    list.close();
    Process hashing({installed("/usr/bin/mosquitto_passwd"), "-U", passwords});
    expect_success(hashing, "mosquitto_passwd");
    text << "password_file " << passwords << "\n";
  }
  return {installed("/usr/sbin/mosquitto"), "-c", file};
}

MqttSubscriber::MqttSubscriber(const MqttUser& user, const std::string& topic)
    : process_(subscriber(user, topic)) {
  process_.out_line_with("Subscribed (");
}

void MqttSubscriber::wait_for(const std::string& text) {
  process_.out_line_with(text);
}

void MqttSubscriber::finish() {
  think();
  process_.signal(SIGINT);
  expect_success(process_, "mosquitto_sub");
}

MqttPublisher::MqttPublisher(const MqttUser& user, const std::string& topic, int qos)
    : input_(folder_ / "input"), process_(publisher(user, topic, qos, input_)) {
  process_.out_line_with("received CONNACK (0)");
}

void MqttPublisher::publish(const std::string& text) {
  think();
  input_.write(text + "\n");
}

void MqttPublisher::finish() {
  think();
  input_.close();
  expect_success(process_, "mosquitto_pub");
}

void publish_once(const MqttUser& user, const std::string& topic, int qos, const std::string& text) {
  think();
  auto line = arguments("/usr/bin/mosquitto_pub", user, topic, qos);
  line.insert(line.end(), {"-m", text});
  Process process(line);
  expect_success(process, "mosquitto_pub");
}

void record_mqtt(const MqttServer& server, const std::string& trace, MqttVersion version) {
  const std::string topic = "chat/room1";
  Recording recording(server, 4, trace);
  const auto user = [&](const std::string& name) {
    MqttUser found{recording.port(), version, {name, ""}};
    for (const Account& account : server.options().accounts)
      if (account.name == name) found.account = account;
    return found;
  };
  MqttSubscriber alice(user("alice"), topic);
  MqttPublisher bob(user("bob"), topic, 1);
  for (const char* text : {"hello everybody", "this is bob", "bye"}) {
    bob.publish(text);
    alice.wait_for(text);
  }
  bob.finish();
  publish_once(user("carol"), topic, 0, "carol passes by");
  alice.wait_for("carol passes by");
  publish_once(user("dave"), topic, 2, "exactly once");
  alice.wait_for("exactly once");
  alice.finish();
  recording.finish();
}

}  // namespace chorus::test
