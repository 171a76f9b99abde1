// A queue from one producer thread to one consumer thread that neither ever waits for: a list with a dummy
// node. The sender tells a client's worker which answers to expect through it, before it sends. Method: the
// two-pointer list queue of Michael and Scott (1996), cut down to one thread on each side.
#pragma once

#include <atomic>
#include <optional>
#include <utility>

namespace chorus::replayer {

template <class T>
class Handoff {
 public:
  Handoff() = default;
  Handoff(const Handoff&) = delete;
  Handoff& operator=(const Handoff&) = delete;
  ~Handoff() {
    while (pop()) {
    }
    if (head_ != &first_) delete head_;
  }

  // Producer. The first node is the queue's own, so that an idle client costs no allocation.
  void push(T value) {
    auto* node = new Node{std::move(value)};
    tail_->next.store(node, std::memory_order_release);
    tail_ = node;
  }

  // Consumer.
  std::optional<T> pop() {
    Node* next = head_->next.load(std::memory_order_acquire);
    if (next == nullptr) return std::nullopt;
    // The popped node becomes the dummy; the old dummy is nobody's any more, since the producer moved on to
    // `next`.
    if (head_ != &first_) delete head_;
    head_ = next;
    std::optional<T> value(std::move(next->value));
    return value;
  }

 private:
  struct Node {
    T value{};
    std::atomic<Node*> next{nullptr};
  };
  Node first_{};
  Node* head_ = &first_;  // consumer
  Node* tail_ = &first_;  // producer
};

}  // namespace chorus::replayer
