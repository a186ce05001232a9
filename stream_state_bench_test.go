package quic

import (
	"fmt"
	"testing"

	"github.com/quic-go/quic-go/internal/recovery"
)

// BenchmarkStateTransition is one transition from the change of the state to the end of its delivery, without an observer and
// with one. A stream has few of them, so there is a new one for each three; it is made outside of the measured time.
func BenchmarkStateTransition(b *testing.B) {
	for observers := range 2 {
		b.Run(fmt.Sprintf("observers=%d", observers), func(b *testing.B) {
			m := newBenchLink(b).client.m
			const batch = 300
			path := [...]StreamState{SendStateSend, SendStateFinQueued, SendStateDataSent}
			var streams [batch]*SendStream
			calls, n := 0, 0
			b.ReportAllocs()
			for b.Loop() {
				if n%(batch*len(path)) == 0 {
					b.StopTimer()
					for i := range streams {
						streams[i] = newRecord(m, 2).send
						if observers > 0 {
							streams[i].OnStateTransition(func(StreamState) { calls++ })
						}
					}
					m.deliver()
					calls = 0
					b.StartTimer()
				}
				s := streams[n%batch]
				s.mu.Lock()
				s.states.enter(path[n/batch%len(path)])
				pending := s.states.publish(s.rec)
				s.mu.Unlock()
				if pending {
					m.pending.push(s.rec)
					m.deliver()
				}
				n++
			}
			if want := observers * ((n-1)%(batch*len(path)) + 1); calls != want {
				b.Errorf("%d calls, want %d", calls, want)
			}
		})
	}
}

// BenchmarkPackStreams packs packets from many streams that have a little data each.
func BenchmarkPackStreams(b *testing.B) {
	for _, streams := range []int{1, 10, 1000} {
		b.Run(fmt.Sprintf("streams=%d", streams), func(b *testing.B) {
			m := newBenchLink(b).client.m
			open := make([]*SendStream, streams)
			for i := range open {
				var err error
				if open[i], err = m.openUniStream(); err != nil {
					b.Fatal(err)
				}
			}
			data, buf, recs := make([]byte, 100), make([]byte, 0, testPacketSize), make([]recovery.Record, 0, 64)
			n := 0
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				open[n%streams].Write(data)
				if n++; n%min(streams, 10) != 0 {
					continue
				}
				_, packed := m.appendStreamFrames(buf, testPacketSize, recs)
				for i := range packed {
					m.onAcked(&packed[i])
				}
			}
		})
	}
}
