// A queue from one producer thread to one consumer thread that neither ever waits for: 16 bytes while it is
// empty. The sender tells a client's worker which answers to expect through it, before it sends. Method: the
// producer pushes on a list whose head is the one shared word; the consumer takes the whole list at once and
// turns it round (Treiber 1986, without its ABA, since nobody takes single nodes).
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
  }

  // Producer.
  void push(T value) {
    auto* node = new Node{std::move(value), newest_.load(std::memory_order_relaxed)};
    while (!newest_.compare_exchange_weak(node->next, node, std::memory_order_release,
                                          std::memory_order_relaxed)) {
    }
  }

  // Consumer, oldest first.
  std::optional<T> pop() {
    if (oldest_ == nullptr) {
      if (newest_.load(std::memory_order_relaxed) == nullptr) return std::nullopt;
      for (Node* node = newest_.exchange(nullptr, std::memory_order_acquire); node != nullptr;)
        node = std::exchange(node->next, std::exchange(oldest_, node));
    }
    Node* node = std::exchange(oldest_, oldest_->next);
    std::optional<T> value(std::move(node->value));
    delete node;
    return value;
  }

 private:
  struct Node {
    T value;
    Node* next;
  };
  std::atomic<Node*> newest_{nullptr};
  Node* oldest_ = nullptr;  // consumer
};

}  // namespace chorus::replayer
