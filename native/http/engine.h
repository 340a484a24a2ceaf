// HTTP/1.1 of one reactor: requests in, TypeScript's decision, requests out on kept connections,
// responses back. One request at a time for each client connection, so answers are in order
// whatever is pipelined; what waits stays in the client's socket. Where a request goes, whether it
// may, and what its refusal says is TypeScript's.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "http/endpoints.h"
#include "http/message.h"
#include "http/parts.h"
#include "reactor/connector.h"
#include "reactor/core.h"
#include "reactor/pairing.h"

namespace sluice::http {

struct EndpointRequest {
  int32_t id = 0;
  ConnectRequest connect;
  uint32_t idle_ms = 0;
  uint32_t most_idle = 0;
};

struct ForwardRequest {
  int32_t stream = 0;
  int32_t endpoint = 0;
  int32_t attempt = 0;
  int32_t flags = 0;
  const uint8_t* edits = nullptr;
  uint32_t edits_size = 0;
  uint64_t mask = 0;
  uint32_t timeout_ms = 0;
};

struct RespondRequest {
  int32_t stream = 0;
  int status = 0;
  std::string_view fields;
  std::string_view body;
  int32_t flags = 0;
};

class Engine final : public HttpHooks {
 public:
  Engine(Core* core, Connector* connector, Pairing* pairing);

  // Commands. False: it makes no sense for what it names.
  bool Begin(Connection* connection, const Settings& settings);
  bool AddEndpoint(const EndpointRequest& request);
  bool RemoveEndpoint(int32_t id);
  bool Forward(const ForwardRequest& request);
  bool Respond(const RespondRequest& request);
  bool PassOn(int32_t stream);
  bool ResetStream(int32_t stream);
  void Drain();

  // Goes on where it can. Returns the cost, in bytes as the forwarder counts.
  int64_t Serve(Connection* connection, int64_t allowance);
  void TimerFired(Connection* connection);
  static bool InTunnel(const Connection* connection);

  void Ends(Connection* connection, DoneReason reason, int error) override;
  void ConnectFailed(Connection* connection, int error) override;

 private:
  enum class Outcome { kWaits, kMore, kGone };

  // client.cc: a client's connection between and around requests.
  Outcome ServeClient(Connection* connection, int64_t allowance, int64_t* moved);
  Outcome StepClient(Connection* connection, int64_t allowance, int64_t* moved);
  Outcome ReadRequest(Connection* connection);
  void TimeHead(Connection* connection);
  Outcome Found(Connection* connection, const uint8_t* data, size_t head_size, size_t size);
  Outcome FoundHead(Connection* connection, const uint8_t* data, size_t size);
  Outcome BecomeOpaque(Connection* connection, const uint8_t* data, size_t size);
  Outcome Refuse(Connection* connection, HeadError error);
  Outcome RefuseStream(Stream* stream, HeadError error);
  Outcome FinishStream(Connection* connection);
  Outcome StartLinger(Connection* connection);
  Outcome Linger(Connection* connection);
  Outcome ClientGone(Connection* connection);
  std::unique_ptr<Stream> NewStream();
  void TellDone(Stream* stream, int32_t reason);
  void DropStream(ClientPart* part);
  void SetDeadline(Connection* connection, uint64_t deadline_us);

  // exchange.cc: a request and its response on the way.
  Outcome Exchange(Connection* client, int64_t allowance, int64_t* moved);
  Outcome PumpRequest(Connection* client, int64_t allowance, int64_t* moved);
  Outcome SendHead(Stream* stream);
  Outcome TakeRequestBody(Stream* stream, const uint8_t* data, size_t size, size_t* used);
  void SendRequestBytes(Stream* stream, const uint8_t* data, size_t size);
  bool NothingAcknowledged(const Stream* stream) const;
  Outcome UpstreamLost(Stream* stream, int32_t reason, int error);
  void AttemptFailed(Stream* stream, int32_t reason, int error);

  // response.cc
  Outcome PumpResponse(Connection* client, int64_t allowance, int64_t* moved);
  Outcome TakeResponse(Stream* stream, uint8_t* data, size_t size, bool headroom);
  Outcome TakeHead(Stream* stream, uint8_t** data, size_t* size, bool* headroom);
  Outcome Interim(Stream* stream, const Head& head, const uint8_t* bytes);
  Outcome BeginResponse(Stream* stream, const uint8_t* bytes, uint8_t* body, size_t size,
                        bool headroom);
  void ChooseBody(Stream* stream, const Head& head);
  Outcome TakeBody(Stream* stream, const uint8_t* data, size_t size);
  Outcome UpstreamEnded(Stream* stream, int error);
  Outcome FinishResponse(Stream* stream, size_t extra_bytes);
  Outcome OpenTunnel(Stream* stream, const uint8_t* bytes, const uint8_t* rest, size_t size);
  Outcome BadUpstream(Stream* stream, HeadError error);

  // upstream.cc: connections to endpoints.
  bool Dial(Stream* stream, bool fresh);
  Connection* TakeIdle(Endpoint* endpoint, bool look);
  void KeepIdle(Connection* upstream);
  void Detach(Stream* stream, Ending ending);
  int64_t ServeUpstream(Connection* connection, int64_t allowance);
  void ServeIdle(Connection* upstream);

  // io.cc: sockets.
  // Bytes read, 0 at the end, or a negative errno (-EAGAIN: none are there).
  ssize_t Receive(Connection* connection, Side from, uint8_t* to, size_t size);
  // Bytes taken (0: blocked), or a negative errno; nothing is ended here.
  int64_t Send(Connection* connection, Side to, const uint8_t* data, size_t size);
  // What is not taken now is kept. False: the socket is broken.
  bool Write(Connection* connection, Side to, const uint8_t* data, size_t size);
  // kMore: nothing is pending. kGone: the socket is broken, nothing is ended.
  Outcome Flush(Connection* connection, Side to);
  bool HeldBack(Connection* connection, Side to);
  void SetCarry(Connection* connection, const uint8_t* data, size_t size);
  void AddCarry(Connection* connection, const uint8_t* data, size_t size);
  void UseCarry(Connection* connection, size_t size);

  Stream* FindStream(int32_t id);

  static constexpr size_t kHeadroom = 72 * 1024;
  static constexpr size_t kReadBytes = 128 * 1024;

  Core* core_;
  Connector* connector_;
  Pairing* pairing_;
  Endpoints endpoints_;
  Output out_;
  Head response_head_;
  std::unique_ptr<uint8_t[]> buffer_;  // kHeadroom, then kReadBytes
  std::vector<std::unique_ptr<Stream>> spare_streams_;
  std::vector<uint16_t> stream_generations_;  // by connection slot
  bool draining_ = false;

  uint8_t* read_buffer() { return buffer_.get() + kHeadroom; }
};

}  // namespace sluice::http
