// The reactor's parts on their own: rings, timers, the table of connections, turns between pods.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <map>
#include <set>
#include <thread>
#include <vector>

#include "reactor/connection_table.h"
#include "reactor/poller.h"
#include "reactor/ring.h"
#include "reactor/scheduler.h"
#include "reactor/timer_heap.h"
#include "test/check.h"
#include "test/reactor_lab.h"

namespace sluice::test {
namespace {

std::vector<int32_t> NewRing(uint32_t capacity, uint32_t start) {
  std::vector<int32_t> words(kRingHeaderWords + capacity);
  words[0] = words[1] = static_cast<int32_t>(start);
  words[2] = static_cast<int32_t>(capacity);
  return words;
}

TEST(RingsAreCheckedBeforeUse) {
  std::vector<int32_t> words = NewRing(128, 0);
  CHECK(RingIsValid(words.data(), words.size()));
  CHECK(!RingIsValid(nullptr, 1'000));
  CHECK(!RingIsValid(words.data(), words.size() - 1));
  for (const int32_t capacity : {0, -128, 100, 64, 256}) {
    words[2] = capacity;
    CHECK(!RingIsValid(words.data(), words.size()));
  }
}

// What is appended can be read at any position, also where the counters overflow, and never wraps.
TEST(EventRingNeverOverwrites) {
  for (const uint32_t start : {0u, 100u, 0x7fffffc0u, 0xffffffc1u}) {
    std::vector<int32_t> words = NewRing(128, start);
    EventRing ring(words.data());
    uint32_t written = 0, read = 0;
    Random random(start);
    for (int round = 0; round < 2'000; round++) {
      const uint32_t payload = 1 + static_cast<uint32_t>(random.Below(24));
      int32_t* record = ring.Append(kEventTimer, payload);
      if (record != nullptr) {
        CHECK(record + payload <= words.data() + words.size());
        record[0] = static_cast<int32_t>(written++);
      }
      if (record != nullptr && random.Below(3) != 0) continue;
      while (words[0] != words[1]) {
        const int32_t* at =
            words.data() + kRingHeaderWords + (static_cast<uint32_t>(words[0]) & 127);
        if ((at[0] & 0xff) == kEventTimer) CHECK_EQ(at[1], static_cast<int32_t>(read++));
        words[0] = static_cast<int32_t>(static_cast<uint32_t>(words[0]) +
                                        (static_cast<uint32_t>(at[0]) >> 8));
        if (random.Below(4) == 0) break;
      }
    }
    CHECK(written > 500);
    CHECK(written - read < 128);
  }
}

TEST(EventRingSaysWhenItIsFull) {
  std::vector<int32_t> words = NewRing(128, 0);
  EventRing ring(words.data());
  CHECK(ring.HasRoomFor(2));
  while (ring.Append(kEventTimer, 1) != nullptr) {
  }
  CHECK(!ring.HasRoomFor(1));
  CHECK_EQ(words[1], 128);
  words[0] = words[1];
  CHECK(ring.HasRoomFor(2));
}

TEST(CommandRingSurvivesBadLengths) {
  const int32_t bad[][2] = {{kCommandClose, 1}, {kCommandClose | 200 << 8, 1}, {-1, 1}};
  for (const auto& record : bad) {
    std::vector<int32_t> words = NewRing(128, 120);
    CommandRing ring(words.data());
    words[kRingHeaderWords + 120] = record[0];
    words[1] = 120 + record[1] + 2;
    CommandRecord command;
    CHECK(ring.Next(&command) == CommandRing::Status::kCorrupt);
    CHECK(ring.Next(&command) == CommandRing::Status::kEmpty);
  }
  std::vector<int32_t> words = NewRing(128, 0);
  words[1] = 1'000;
  CommandRing ring(words.data());
  CommandRecord command;
  CHECK(ring.Next(&command) == CommandRing::Status::kCorrupt);
}

TEST(TimersFireInOrder) {
  TimerHeap heap;
  Random random(3);
  std::vector<Timer> timers(500, Timer(TimerKind::kCommand));
  std::multiset<uint64_t> expected;
  for (Timer& timer : timers) heap.Arm(&timer, random.Below(1'000));
  for (size_t i = 0; i < timers.size(); i += 3) heap.Arm(&timers[i], random.Below(1'000));
  for (size_t i = 1; i < timers.size(); i += 5) heap.Cancel(&timers[i]);
  for (size_t i = 0; i < 10; i++) heap.Cancel(&timers[1]);
  for (const Timer& timer : timers) {
    if (timer.armed()) expected.insert(timer.deadline_us);
  }
  CHECK_EQ(heap.size(), expected.size());
  for (uint64_t now = 0; now < 1'000; now += 7) {
    while (Timer* timer = heap.TakeDue(now)) {
      CHECK(timer->deadline_us <= now);
      CHECK_EQ(timer->deadline_us, *expected.begin());
      expected.erase(expected.begin());
    }
    CHECK(expected.empty() || *expected.begin() > now);
    const int64_t left = expected.empty() ? -1 : static_cast<int64_t>(*expected.begin() - now);
    CHECK_EQ(heap.TimeoutUs(now), left);
  }
}

TEST(TimeoutsAreExact) {
  TimerHeap heap;
  Timer timer(TimerKind::kCommand);
  heap.Arm(&timer, 10'500);
  CHECK_EQ(heap.TimeoutUs(0), 10'500);
  CHECK_EQ(heap.TimeoutUs(10'499), 1);
  CHECK_EQ(heap.TimeoutUs(10'500), 0);
  heap.Cancel(&timer);
  CHECK_EQ(heap.TimeoutUs(0), -1);
}

TEST(StaleIdsFindNothing) {
  ConnectionTable table(3);
  std::set<int32_t> used;
  std::vector<Connection*> open;
  Random random(11);
  for (int round = 0; round < 30'000; round++) {
    if (open.size() < 3) {
      Connection* connection = table.Add();
      connection->state = ConnectionState::kUndecided;
      CHECK(connection->id != 0);
      CHECK(table.Find(connection->id) == connection);
      open.push_back(connection);
    } else {
      CHECK(table.full());
      CHECK(table.Add() == nullptr);
    }
    if (open.size() == 3 || random.Below(2) == 0) {
      const size_t which = random.Below(open.size());
      const int32_t id = open[which]->id;
      table.Remove(open[which]);
      open.erase(open.begin() + static_cast<long>(which));
      CHECK(table.Find(id) == nullptr);
      // 4,095 generations of 3 slots: no id comes again before that.
      if (used.size() < 12'000) CHECK(used.insert(id).second);
    }
  }
  for (const int32_t id : {0, -1, 1 << 20, 1'000}) {
    const Connection* found = table.Find(id);
    CHECK(found == nullptr || found->id == id);
  }
}

// One pod has a thousand connections that never finish, another has one: per round they get the
// same.
TEST(TurnsGoByPod) {
  Scheduler scheduler;
  Pod greedy(1), modest(2);
  std::vector<ReadyItem> items(1'001, ReadyItem(ReadyKind::kConnection));
  for (size_t i = 0; i < 1'000; i++) scheduler.Enqueue(&greedy, &items[i]);
  scheduler.Enqueue(&modest, &items[1'000]);
  std::map<ReadyItem*, int> served;
  int64_t spent_on_modest = 0, spent = 0;
  for (int turn = 0; turn < 2'000; turn++) {
    int64_t allowance = 0;
    ReadyItem* item = scheduler.Take(&allowance);
    CHECK(item != nullptr && allowance > 0);
    const int64_t cost = std::min<int64_t>(allowance, 64 * 1024);
    scheduler.Charge(cost);
    spent += cost;
    Pod* pod = item == &items[1'000] ? &modest : &greedy;
    if (pod == &modest) spent_on_modest += cost;
    served[item]++;
    scheduler.Enqueue(pod, item);
  }
  CHECK(spent_on_modest * 2 >= spent - 4 * Scheduler::kQuantum);
  CHECK(spent_on_modest * 2 <= spent + 4 * Scheduler::kQuantum);
  // And within the greedy pod everybody had a turn before anybody had two.
  CHECK_EQ(served.size(), 1'001u);
}

TEST(ADebtIsPaidBack) {
  Scheduler scheduler;
  Pod debtor(1), other(2);
  ReadyItem a(ReadyKind::kConnection), b(ReadyKind::kConnection);
  scheduler.Enqueue(&debtor, &a);
  scheduler.Enqueue(&other, &b);
  int64_t allowance = 0;
  CHECK(scheduler.Take(&allowance) == &a);
  scheduler.Charge(3 * Scheduler::kQuantum);
  scheduler.Enqueue(&debtor, &a);
  for (int turn = 0; turn < 2; turn++) {
    CHECK(scheduler.Take(&allowance) == &b);
    scheduler.Charge(allowance);
    scheduler.Enqueue(&other, &b);
  }
  CHECK(scheduler.Take(&allowance) == &b);
  scheduler.Charge(allowance);
  CHECK(scheduler.Take(&allowance) == &a);
}

TEST(WhatIsRemovedIsNotServed) {
  Scheduler scheduler;
  Pod pod(1);
  std::vector<ReadyItem> items(5, ReadyItem(ReadyKind::kConnection));
  for (ReadyItem& item : items) scheduler.Enqueue(&pod, &item);
  for (const size_t gone : {0, 4, 2}) scheduler.Remove(&pod, &items[gone]);
  int64_t allowance = 0;
  CHECK(scheduler.Take(&allowance) == &items[1]);
  CHECK(scheduler.Take(&allowance) == &items[3]);
  CHECK(scheduler.Take(&allowance) == nullptr);
  CHECK(scheduler.idle());
  scheduler.Enqueue(&pod, &items[0]);
  scheduler.Forget(&pod);
  CHECK(scheduler.Take(&allowance) == nullptr);
}

// The calling thread gets this error from that system call, for good.
void Refuse(uint32_t call, uint32_t error) {
  const uint32_t number = offsetof(seccomp_data, nr);
  std::array<sock_filter, 4> program = {{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, number),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  sock_fprog filter = {program.size(), program.data()};
  CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  CHECK_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
}

void PollWithout(uint32_t call, uint32_t error) {
  Refuse(call, error);
  Poller poller;
  CHECK_EQ(poller.Open(), 0);
  const UniqueFd event(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  CHECK_EQ(poller.Add(event.get(), EPOLLIN, {PollKind::kOutside, 7}), 0);
  std::array<epoll_event, 4> ready;
  for (int round = 0; round < 3; round++) {
    const auto before = std::chrono::steady_clock::now();
    CHECK_EQ(poller.Wait(ready, 20'100), 0);
    CHECK(std::chrono::steady_clock::now() - before >= std::chrono::microseconds(20'100));
  }
  CHECK_EQ(poller.Wait(ready, 0), 0);
  CHECK_EQ(eventfd_write(event.get(), 1), 0);
  for (const int64_t timeout_us : {int64_t{-1}, int64_t{0}, int64_t{1}, INT64_MAX / 2}) {
    CHECK_EQ(poller.Wait(ready, timeout_us), 1);
    CHECK_EQ(PollTag::Unpack(ready[0].data.u64).id, 7);
  }
}

TEST(WaitsWhereTheFinerCallIsRefused) {
  for (const uint32_t error : {EPERM, ENOSYS}) {
    std::thread(PollWithout, __NR_epoll_pwait2, error).join();
  }
}

}  // namespace
}  // namespace sluice::test

TEST_MAIN()
