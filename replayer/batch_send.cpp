#include "replayer/batch_send.h"

#ifdef __linux__
#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <new>

#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace chorus::replayer {
namespace {

void send_directly(Sending& sending) noexcept {
  sending.taken = direct_send(sending.socket, sending.bytes, sending.error);
}

}  // namespace

#ifdef __linux__

namespace {

class Mapping {
 public:
  Mapping(int file, off_t what, std::size_t size) noexcept
      : at_(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file, what)),
        size_(size) {}
  ~Mapping() {
    if (works()) munmap(at_, size_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  bool works() const noexcept { return at_ != MAP_FAILED; }
  template <class T>
  T* at(std::size_t offset) const noexcept {
    if (!works()) return nullptr;
    return reinterpret_cast<T*>(static_cast<char*>(at_) + offset);
  }

 private:
  void* at_;
  std::size_t size_;
};

std::uint32_t read_shared(std::uint32_t* word) noexcept {
  return std::atomic_ref(*word).load(std::memory_order_acquire);
}

void write_shared(std::uint32_t* word, std::uint32_t value) noexcept {
  std::atomic_ref(*word).store(value, std::memory_order_release);
}

// The operation came a version after the ring (Linux 5.6), and a filter may forbid it.
bool can_send(int ring) noexcept {
  constexpr unsigned operations = IORING_OP_SEND + 1;
  alignas(io_uring_probe) std::array<char, sizeof(io_uring_probe) + operations * sizeof(io_uring_probe_op)>
      answer{};
  if (syscall(SYS_io_uring_register, ring, IORING_REGISTER_PROBE, answer.data(), operations) != 0)
    return false;
  const auto* probe = reinterpret_cast<const io_uring_probe*>(answer.data());
  return probe->last_op >= IORING_OP_SEND && (probe->ops[IORING_OP_SEND].flags & IO_URING_OP_SUPPORTED) != 0;
}

}  // namespace

// The two queues that are shared with the kernel. Between two calls of send() both are empty.
struct BatchSend::Ring {
  static std::unique_ptr<Ring> make(unsigned entries) noexcept;
  Ring(int ring_file, const io_uring_params& params) noexcept;
  ~Ring() { close(file); }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  bool send(std::span<Sending> batch) noexcept;
  void put(const Sending& sending, std::uint32_t number) noexcept;
  std::size_t take(std::span<Sending> batch) noexcept;

  int file;
  std::uint32_t entries;
  Mapping submissions, completions, requests;
  std::uint32_t *sq_head, *sq_tail, sq_mask, *cq_head, *cq_tail, cq_mask;
  io_uring_sqe* sqes;
  io_uring_cqe* cqes;
};

std::unique_ptr<BatchSend::Ring> BatchSend::Ring::make(unsigned entries) noexcept {
  io_uring_params params;
  std::memset(&params, 0, sizeof params);
  params.flags = IORING_SETUP_CLAMP;
  const long file = syscall(SYS_io_uring_setup, entries, &params);
  if (file < 0) return nullptr;
  auto ring = std::unique_ptr<Ring>(new (std::nothrow) Ring(static_cast<int>(file), params));
  if (ring == nullptr) {
    close(static_cast<int>(file));
    return nullptr;
  }
  if (!ring->submissions.works() || !ring->completions.works() || !ring->requests.works()) return nullptr;
  if (!can_send(ring->file)) return nullptr;
  auto* places = ring->submissions.at<std::uint32_t>(params.sq_off.array);
  for (std::uint32_t i = 0; i < params.sq_entries; ++i) places[i] = i;
  return ring;
}

BatchSend::Ring::Ring(int ring_file, const io_uring_params& params) noexcept
    : file(ring_file),
      entries(params.sq_entries),
      submissions(file, IORING_OFF_SQ_RING, params.sq_off.array + params.sq_entries * sizeof(std::uint32_t)),
      completions(file, IORING_OFF_CQ_RING, params.cq_off.cqes + params.cq_entries * sizeof(io_uring_cqe)),
      requests(file, IORING_OFF_SQES, params.sq_entries * sizeof(io_uring_sqe)),
      sq_head(submissions.at<std::uint32_t>(params.sq_off.head)),
      sq_tail(submissions.at<std::uint32_t>(params.sq_off.tail)),
      sq_mask(params.sq_entries - 1),
      cq_head(completions.at<std::uint32_t>(params.cq_off.head)),
      cq_tail(completions.at<std::uint32_t>(params.cq_off.tail)),
      cq_mask(params.cq_entries - 1),
      sqes(requests.at<io_uring_sqe>(0)),
      cqes(completions.at<io_uring_cqe>(params.cq_off.cqes)) {}

void BatchSend::Ring::put(const Sending& sending, std::uint32_t number) noexcept {
  const std::uint32_t tail = *sq_tail;  // written by us alone
  io_uring_sqe& sqe = sqes[tail & sq_mask];
  std::memset(&sqe, 0, sizeof sqe);
  sqe.opcode = IORING_OP_SEND;
  sqe.fd = sending.socket;
  sqe.addr = reinterpret_cast<std::uintptr_t>(sending.bytes.data());
  sqe.len = static_cast<std::uint32_t>(sending.bytes.size());
  sqe.msg_flags =
      MSG_DONTWAIT | MSG_NOSIGNAL;  // with MSG_DONTWAIT the kernel answers EAGAIN and does not wait
  sqe.user_data = number;
  write_shared(sq_tail, tail + 1);
}

// Takes the results that have come; how many.
std::size_t BatchSend::Ring::take(std::span<Sending> batch) noexcept {
  std::uint32_t head = *cq_head;  // written by us alone
  const std::uint32_t tail = read_shared(cq_tail);
  const std::size_t come = tail - head;
  for (; head != tail; ++head) {
    const io_uring_cqe& cqe = cqes[head & cq_mask];
    Sending& sending = batch[cqe.user_data];
    if (cqe.res >= 0) {
      sending.taken = static_cast<std::size_t>(cqe.res);
    } else if (cqe.res == -EINTR) {
      send_directly(sending);
    } else if (cqe.res == -EAGAIN) {
      sending.error = boost::asio::error::would_block;
    } else {
      sending.error.assign(-cqe.res, boost::system::system_category());
    }
  }
  write_shared(cq_head, head);
  return come;
}

// At most `entries`. False: the system does not let us go on with this ring; what it did not take was sent
// directly.
bool BatchSend::Ring::send(std::span<Sending> batch) noexcept {
  const std::uint32_t first = *sq_tail;
  for (std::uint32_t i = 0; i < batch.size(); ++i) put(batch[i], i);
  std::size_t open = batch.size();
  while (open > 0) {
    const std::uint32_t begun = read_shared(sq_head) - first;
    const auto left = static_cast<std::uint32_t>(batch.size()) - begun;
    const long done = syscall(SYS_io_uring_enter, file, left, open, IORING_ENTER_GETEVENTS, nullptr, 0);
    const int why = done < 0 ? errno : 0;
    open -= take(batch);
    if (done >= 0 || why == EINTR || why == EAGAIN || why == EBUSY) continue;
    for (std::size_t i = read_shared(sq_head) - first; i < batch.size(); ++i) send_directly(batch[i]);
    return false;
  }
  return true;
}

BatchSend::BatchSend(unsigned most, Through through)
    : ring_(through == Through::whatever_works ? Ring::make(most) : nullptr) {}

void BatchSend::send(std::span<Sending> batch) noexcept {
  while (ring_ && batch.size() > 1) {  // a single one is cheaper without
    const std::size_t now = std::min<std::size_t>(batch.size(), ring_->entries);
    for (Sending& sending : batch.first(now)) {
      sending.taken = 0;
      sending.error.clear();
    }
    if (!ring_->send(batch.first(now))) ring_.reset();
    batch = batch.subspan(now);
  }
  for (Sending& sending : batch) send_directly(sending);
}

#else

struct BatchSend::Ring {};

BatchSend::BatchSend(unsigned, Through) {}

void BatchSend::send(std::span<Sending> batch) noexcept {
  for (Sending& sending : batch) send_directly(sending);
}

#endif

BatchSend::~BatchSend() = default;

}  // namespace chorus::replayer
