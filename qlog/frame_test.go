package qlog

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/qlogwriter/jsontext"
)

func encodeFrame(t *testing.T, f any) string {
	t.Helper()
	var b bytes.Buffer
	if err := (Frame{f}).Encode(jsontext.NewEncoder(&b)); err != nil {
		t.Errorf("%T: %v", f, err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func TestFrames(t *testing.T) {
	tests := []struct {
		frame any
		want  string
	}{
		{&PingFrame{}, `{"frame_type":"ping"}`},
		{&AckFrame{AckRanges: []AckRange{{Smallest: 8, Largest: 10}, {Smallest: 5, Largest: 5}}, DelayTime: 20 * time.Microsecond}, `{"frame_type":"ack","ack_delay":0.02,"acked_ranges":[[8,10],[5]]}`},
		{&AckFrame{ECNCE: 1}, `{"frame_type":"ack","acked_ranges":[],"ect0":0,"ect1":0,"ce":1}`},
		{&CryptoFrame{Offset: 5, Length: 7}, `{"frame_type":"crypto","offset":5,"length":7}`},
		{&StreamFrame{StreamID: 4, Offset: 5, Length: 7}, `{"frame_type":"stream","stream_id":4,"offset":5,"length":7}`},
		{&StreamFrame{StreamID: 4, Fin: true}, `{"frame_type":"stream","stream_id":4,"offset":0,"length":0,"fin":true}`},
		{&DatagramFrame{Length: 7}, `{"frame_type":"datagram","length":7}`},
		{&ResetStreamFrame{StreamID: 4, ErrorCode: 5, FinalSize: 6}, `{"frame_type":"reset_stream","stream_id":4,"error_code":5,"final_size":6}`},
		{&ResetStreamFrame{StreamID: 4, ErrorCode: 5, FinalSize: 6, ReliableSize: 3}, `{"frame_type":"reset_stream_at","stream_id":4,"error_code":5,"final_size":6,"reliable_size":3}`},
		{&StopSendingFrame{StreamID: 4, ErrorCode: 5}, `{"frame_type":"stop_sending","stream_id":4,"error_code":5}`},
		{&MaxDataFrame{MaximumData: 6}, `{"frame_type":"max_data","maximum":6}`},
		{&MaxStreamDataFrame{StreamID: 4, MaximumStreamData: 6}, `{"frame_type":"max_stream_data","stream_id":4,"maximum":6}`},
		{&MaxStreamsFrame{Type: protocol.StreamTypeBidi, MaxStreamNum: 6}, `{"frame_type":"max_streams","stream_type":"bidirectional","maximum":6}`},
		{&DataBlockedFrame{MaximumData: 6}, `{"frame_type":"data_blocked","limit":6}`},
		{&StreamDataBlockedFrame{StreamID: 4, MaximumStreamData: 6}, `{"frame_type":"stream_data_blocked","stream_id":4,"limit":6}`},
		{&StreamsBlockedFrame{Type: protocol.StreamTypeUni, StreamLimit: 6}, `{"frame_type":"streams_blocked","stream_type":"unidirectional","limit":6}`},
		{&NewConnectionIDFrame{SequenceNumber: 2, RetirePriorTo: 1, ConnectionID: cid, StatelessResetToken: token},
			`{"frame_type":"new_connection_id","sequence_number":2,"retire_prior_to":1,"connection_id":"01020304","stateless_reset_token":"01020000000000000000000000000000"}`},
		{&RetireConnectionIDFrame{SequenceNumber: 2}, `{"frame_type":"retire_connection_id","sequence_number":2}`},
		{&NewTokenFrame{Token: []byte{1}}, `{"frame_type":"new_token","token":{"raw":{"data":"01"}}}`},
		{&PathChallengeFrame{Data: [8]byte{1}}, `{"frame_type":"path_challenge","data":"0100000000000000"}`},
		{&PathResponseFrame{Data: [8]byte{1}}, `{"frame_type":"path_response","data":"0100000000000000"}`},
		{&HandshakeDoneFrame{}, `{"frame_type":"handshake_done"}`},
		{&ImmediateAckFrame{}, `{"frame_type":"immediate_ack"}`},
		{&AckFrequencyFrame{SequenceNumber: 1, AckElicitingThreshold: 2, RequestMaxAckDelay: 1500 * time.Microsecond, ReorderingThreshold: 3},
			`{"frame_type":"ack_frequency","sequence_number":1,"ack_eliciting_threshold":2,"request_max_ack_delay":1.5,"reordering_threshold":3}`},
		{&ConnectionCloseFrame{ErrorCode: 0xa, FrameType: 0x9, ReasonPhrase: "r"}, `{"frame_type":"connection_close","error_space":"transport","error":"protocol_violation","reason":"r","trigger_frame_type":"stream"}`},
		{&ConnectionCloseFrame{ErrorCode: 0x4242, FrameType: 0x4242}, `{"frame_type":"connection_close","error_space":"transport","error":"unknown","error_code":16962,"reason":"","trigger_frame_type":16962}`},
		{&ConnectionCloseFrame{IsApplicationError: true, ErrorCode: 1, FrameType: 9}, `{"frame_type":"connection_close","error_space":"application","error":"unknown","error_code":1,"reason":""}`},
	}
	for _, test := range tests {
		if got := encodeFrame(t, test.frame); got != test.want {
			t.Errorf("%T: encoded %s, want %s", test.frame, got, test.want)
		}
	}
}

func TestUnknownFramePanics(t *testing.T) {
	for _, f := range []any{nil, PingFrame{}, "frame"} {
		func() {
			defer func() {
				if r := recover(); r != "unknown frame type" {
					t.Errorf("%T: recovered %v", f, r)
				}
			}()
			encodeFrame(t, f)
		}()
	}
}
