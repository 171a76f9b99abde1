// What a run needs, on machines that are made up.
#include "replayer/needs.h"

#include <set>

#include <catch2/catch.hpp>

using namespace chorus::replayer;
using Catch::Contains;

namespace {

const auto loopback = boost::asio::ip::make_address("127.0.0.1");
const auto elsewhere = boost::asio::ip::make_address("192.0.2.7");

struct Asked {
  Options options;
  Plan plan;
};

Asked asking(std::uint32_t clients, std::uint32_t processes = 0, std::uint32_t members = 1) {
  Score score;
  score.parts.resize(members);
  Asked asked;
  asked.options.clients = clients;
  asked.options.processes = processes;
  asked.plan = make_plan(score, asked.options);
  return asked;
}

const Grants plenty{
    .files = 1'000'000, .ports = 60'000, .memory = 64ull << 30, .processes = true, .sources = true};

Needs granted(const Asked& asked, const Grants& grants, const boost::asio::ip::address& target = loopback) {
  const auto needs = needs_of(asked.plan, asked.options, target, grants);
  if (!needs) FAIL(needs.error().what);
  return *needs;
}

std::string refused(const Asked& asked, const Grants& grants,
                    const boost::asio::ip::address& target = loopback) {
  const auto needs = needs_of(asked.plan, asked.options, target, grants);
  if (needs) FAIL("granted: " << needs->in_words);
  CHECK(needs.error().what.find('\n') == std::string::npos);
  return needs.error().what;
}

}  // namespace

TEST_CASE("a crowd that fits one process gets one, and what it needs is said", "[needs]") {
  const Needs needs = granted(asking(1000), plenty);
  CHECK(needs.processes == 1);
  CHECK(needs.files > 1000);
  CHECK(needs.files < 1300);
  CHECK(needs.ports == 1000);
  CHECK(needs.memory > 1000 * 4096);
  CHECK(needs.sources.empty());
  CHECK_THAT(needs.in_words, Contains(std::to_string(needs.files) + " open files (of 1000000)"));
  CHECK_THAT(needs.in_words, Contains("1000 ports (of 60000)"));
  CHECK_THAT(needs.in_words, Contains("free)"));
}

TEST_CASE("a short limit of files is met by the fewest processes that fit", "[needs]") {
  for (const std::uint64_t limit : {2'000u, 1'000u, 500u}) {
    Grants grants = plenty;
    grants.files = limit;
    const Needs needs = granted(asking(5000, 0, 2), grants);
    INFO(needs.in_words);
    REQUIRE(needs.processes > 1);
    CHECK(needs.files <= limit);
    CHECK_THAT(needs.in_words, Contains("in each of " + std::to_string(needs.processes) + " processes"));
    CHECK_THAT(refused(asking(5000, needs.processes - 1, 2), grants), Contains("leave --processes out"));
    CHECK(granted(asking(5000, needs.processes, 2), grants).files == needs.files);
  }
}

TEST_CASE("the limit itself is enough, one file less is not", "[needs]") {
  Grants grants = plenty;
  grants.files = granted(asking(1000), plenty).files;
  CHECK(granted(asking(1000), grants).processes == 1);
  --grants.files;
  CHECK(granted(asking(1000), grants).processes == 2);
  grants.processes = false;
  CHECK_THAT(refused(asking(1000), grants), Contains("ulimit -Hn"));
}

TEST_CASE("canaries need files too", "[needs]") {
  Asked asked = asking(1000, 0, 2);
  const auto without = granted(asked, plenty).files;
  asked.plan.begins = std::chrono::seconds(1);
  REQUIRE(asked.plan.has_canary());
  CHECK(granted(asked, plenty).files >= without + 2 * 2);
}

TEST_CASE("a limit that no number of processes meets is refused with the limit", "[needs]") {
  Grants grants = plenty;
  grants.files = 150;  // less than a process's own
  CHECK_THAT(refused(asking(5000), grants), Contains("may have 150") && Contains("raise the limit"));
  grants.files = 1000;
  CHECK_THAT(refused(asking(1'000'000), grants), Contains("in each of 64 processes"));
}

TEST_CASE("processes that were asked for are had, or the run is refused", "[needs]") {
  CHECK(granted(asking(1000, 3), plenty).processes == 3);
  CHECK(granted(asking(1000, 1), plenty).processes == 1);
  CHECK_THAT(refused(asking(4, 3, 2), plenty), Contains("2 copies cannot be shared by 3 processes"));
  Grants grants = plenty;
  grants.processes = false;
  CHECK_THAT(refused(asking(1000, 3), grants), Contains("leave it out"));
  CHECK(granted(asking(1000, 1), grants).processes == 1);
  grants.files = 1400;
  grants.processes = true;
  CHECK_THAT(refused(asking(5000, 1), grants), Contains("leave --processes out"));
  CHECK_THAT(refused(asking(5000, 2), grants), Contains("in each of 2 processes"));
}

TEST_CASE("on loopback more addresses are chosen when the ports of one are too few", "[needs]") {
  Grants grants = plenty;
  grants.ports = 28'000;
  CHECK(granted(asking(28'000), grants).sources.empty());
  const Needs needs = granted(asking(28'001), grants);
  REQUIRE(needs.sources.size() >= 2);
  CHECK(needs.sources.size() * grants.ports >= 2 * 28'001);
  CHECK(needs.sources.front() == "127.0.0.2");
  CHECK_THAT(needs.in_words, Contains("from 127.0.0.2 .. " + needs.sources.back()));
  grants.ports = 100;
  const Needs many = granted(asking(20'000), grants);
  CHECK(many.sources.size() == 400);
  CHECK(std::set<std::string>(many.sources.begin(), many.sources.end()).size() == 400);
  for (const std::string& source : many.sources) {
    boost::system::error_code error;
    CHECK(boost::asio::ip::make_address_v4(source, error).is_loopback());
    CHECK_FALSE(error);
    CHECK(source != "127.0.0.1");
  }
}

TEST_CASE("elsewhere too few ports are refused with the advice to give addresses", "[needs]") {
  Grants grants = plenty;
  grants.ports = 28'000;
  CHECK_THAT(refused(asking(28'001), grants, elsewhere), Contains("28000") && Contains("--source"));
  CHECK_THAT(refused(asking(28'001), grants, boost::asio::ip::make_address("::1")), Contains("--source"));
  Asked asked = asking(56'001);
  asked.options.sources = {"192.0.2.8", "192.0.2.9"};
  CHECK_THAT(refused(asked, grants, elsewhere), Contains("56000"));
  CHECK_THAT(refused(asked, grants, loopback), Contains("56000"));  // who chose addresses keeps them
  asked = asking(56'000);
  asked.options.sources = {"192.0.2.8", "192.0.2.9"};
  CHECK(granted(asked, grants, elsewhere).sources.empty());
  grants.sources = false;
  CHECK_THAT(refused(asking(28'001), grants), Contains("--source"));
}

TEST_CASE("too little memory is refused with both figures", "[needs]") {
  Grants grants = plenty;
  const auto needed = granted(asking(10'000), plenty).memory;
  grants.memory = needed;
  granted(asking(10'000), grants);
  --grants.memory;
  CHECK_THAT(refused(asking(10'000), grants), Contains("of memory") && Contains("fewer clients"));
}

TEST_CASE("what is not known limits nothing, and is not shown as a limit", "[needs]") {
  Grants grants;
  grants.processes = true;
  const Needs needs = granted(asking(1'000'000), grants, elsewhere);
  CHECK(needs.processes == 1);
  CHECK(needs.sources.empty());
  CHECK_THAT(needs.in_words, !Contains("(of ") && !Contains("free)"));
}
