package protocol

import "time"

// Sizes of UDP payloads.
const (
	// MinInitialPacketSize is the smallest datagram that may carry an ack-eliciting
	// Initial (RFC 9000, Section 14.1).
	MinInitialPacketSize = 1200
	// DefaultInitialPacketSize is the size of packets before the path MTU is known.
	DefaultInitialPacketSize = 1280
	// MaxConfiguredPacketSize is the largest Config.InitialPacketSize.
	MaxConfiguredPacketSize = 1452
	// MaxDatagramSize is the largest UDP payload that is received.
	MaxDatagramSize = 65527
	// AmplificationFactor bounds what is sent to an unvalidated address (RFC 9000, Section 8.1).
	AmplificationFactor = 3
)

// What a peer can make a connection or a Transport store. At the limit the newest item is
// dropped unless another reaction is named.
const (
	// MaxReceiveQueuePackets bounds the datagrams that wait for the loop of a connection.
	MaxReceiveQueuePackets = 256
	// MaxReceiveQueueBytes bounds them in bytes: some jumbograms of a fast link, but not hundreds.
	MaxReceiveQueueBytes = 4 << 20
	// MaxServerUnprocessedPackets and MaxServerUnprocessedBytes bound the datagrams that
	// wait for the decision whether they open a connection.
	MaxServerUnprocessedPackets = 1024
	MaxServerUnprocessedBytes   = 2 << 20
	// MaxAcceptQueueSize bounds the connections that wait for Accept. At the limit new
	// connections are refused with CONNECTION_REFUSED.
	MaxAcceptQueueSize = 32
	// MaxUndecryptablePackets bounds the packets of a connection that wait for keys.
	MaxUndecryptablePackets = 16
	// MaxUndecryptableBytes bounds the memory that they pin, whatever their size.
	MaxUndecryptableBytes = 64 << 10
	// MaxCryptoBuffered bounds the CRYPTO data received ahead of a gap, per level. At the limit
	// the connection is closed with CRYPTO_BUFFER_EXCEEDED.
	MaxCryptoBuffered ByteCount = 16 << 10
	// MaxStreamGaps and MaxConnGaps bound the gaps in received stream data. At the limit the
	// connection is closed with PROTOCOL_VIOLATION.
	MaxStreamGaps = 1000
	MaxConnGaps   = 4000
	// MaxPaths bounds the paths of a connection that are known at the same time. At the limit the peer
	// cannot probe another one until it has been silent on one of them for some seconds, and an address to
	// which it migrates takes the place of the least useful one.
	MaxPaths = 4
	// MaxQueuedPathResponses bounds the PATH_RESPONSE frames to send on a path; the oldest is dropped.
	MaxQueuedPathResponses = 64
	// MaxAckRanges bounds the received packet number ranges that are remembered and reported;
	// the oldest range is forgotten.
	MaxAckRanges = 64
	// MaxTrackedSentPackets bounds the sent packets that wait for an acknowledgement;
	// nothing more is sent at the limit.
	MaxTrackedSentPackets = 20000
	// MaxIssuedConnectionIDs bounds the connection IDs that we issue.
	MaxIssuedConnectionIDs = 6
	// MaxActiveConnectionIDs is the active_connection_id_limit that we advertise.
	MaxActiveConnectionIDs = 4
	// MaxQueuedRetireConnectionIDs bounds the RETIRE_CONNECTION_ID frames that are owed. At the
	// limit the connection is closed with CONNECTION_ID_LIMIT_ERROR if the peer asks for more, and
	// no connection ID is taken for another path.
	MaxQueuedRetireConnectionIDs = 16
	// MaxSendDatagrams and MaxReceiveDatagrams bound the queues of DATAGRAM frames;
	// MaxDatagramQueueBytes bounds the received ones in bytes.
	MaxSendDatagrams      = 32
	MaxReceiveDatagrams   = 1024
	MaxDatagramQueueBytes = 1 << 20
	// MaxNonQUICPackets bounds the packets that wait for ReadNonQUICPacket.
	MaxNonQUICPackets = 32
	// MaxStatelessResetsPerSecond bounds the stateless resets of one Transport.
	MaxStatelessResetsPerSecond = 1000
	// MaxPacketsPerTurn bounds the datagrams that a loop handles before it sends.
	MaxPacketsPerTurn = 32
)

// Defaults and advertised values.
const (
	DefaultHandshakeIdleTimeout = 5 * time.Second
	DefaultMaxIdleTimeout       = 30 * time.Second
	// MinRemoteIdleTimeout is the shortest idle timeout that a peer can make us use.
	MinRemoteIdleTimeout = 5 * time.Second
	// MaxKeepAliveInterval is the longest time between keep-alive packets.
	MaxKeepAliveInterval = 20 * time.Second

	DefaultInitialStreamReceiveWindow     ByteCount = 512 << 10
	DefaultInitialConnectionReceiveWindow ByteCount = 768 << 10
	DefaultMaxStreamReceiveWindow         ByteCount = 6 << 20
	DefaultMaxConnectionReceiveWindow     ByteCount = 15 << 20
	DefaultMaxIncomingStreams                       = 100
	DefaultMaxIncomingUniStreams                    = 100

	// MaxDatagramFrameSize is the max_datagram_frame_size that we advertise.
	MaxDatagramFrameSize ByteCount = 16383
	// AckDelayExponent is the ack_delay_exponent that we advertise.
	AckDelayExponent = 3
	// DefaultAckDelayExponent holds until the peer says otherwise (RFC 9000, Section 18.2).
	DefaultAckDelayExponent = 3
	// MaxAckDelayExponent is the largest valid ack_delay_exponent.
	MaxAckDelayExponent = 20
	// MaxAckDelay is the longest time by which we delay an ACK; we advertise one
	// TimerGranularity more, as RFC 9000, Section 18.2 asks.
	MaxAckDelay = 25 * time.Millisecond
	// MinAckDelay is the min_ack_delay that we advertise (draft-ietf-quic-ack-frequency-12, Section 3).
	MinAckDelay = TimerGranularity
	// DefaultMaxAckDelay holds until the peer says otherwise (RFC 9000, Section 18.2).
	DefaultMaxAckDelay = 25 * time.Millisecond
	// MaxMaxAckDelay is the largest valid max_ack_delay.
	MaxMaxAckDelay = (1<<14 - 1) * time.Millisecond
	// What ACK_FREQUENCY frames ask for: an ACK frame after a share of the congestion window, a smaller one
	// while it has to be found, of MinAckElicitingThreshold to MaxAckElicitingThreshold packets, and after a
	// share of the smoothed round-trip time (draft-ietf-quic-ack-frequency-12, Section 8.1).
	AcksPerWindow            = 8
	AcksPerWindowAtStart     = 16
	MinAckElicitingThreshold = 3
	MaxAckElicitingThreshold = 8
	AcksPerRTT               = 4
	// DefaultConnectionIDLength is the length of the connection IDs of a Transport.
	DefaultConnectionIDLength = 4
	// MaxTokenAge is the default lifetime of an address validation token.
	DefaultMaxTokenAge = 24 * time.Hour
)
