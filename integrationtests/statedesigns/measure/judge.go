package measure

import "time"

// judge compares what the layers have reported with what has happened.
func (s *scene) judge() {
	if s.log == nil {
		s.judgeByScript()
		return
	}
	events := s.log.all()
	all := derive(events)
	var delays []time.Duration
	keys := make(map[int64]key)
	for _, l := range s.layers {
		for number, e := range l.opened() {
			s.arm.drain(e)
			keys[int64(e.size)] = e.key
			t := all[e.key]
			closing, d := t.compare(e.reported(), closings, s.grace())
			s.row.Closings.add(closing)
			if s.arm.states {
				c, _ := t.compare(e.reported(), states, s.grace())
				s.row.States.add(c)
			}
			if s.cell.Workload != SlowObserver || number > 0 {
				delays = append(delays, d...) // the others have to wait for the slow one
			}
		}
	}
	s.row.P50, s.row.P99 = percentile(delays, 0.5), percentile(delays, 0.99)
	if s.cell.Workload == DatagramLoad {
		s.judgeDatagrams(events, keys)
	}
}

func (s *scene) judgeDatagrams(events []event, keys map[int64]key) {
	var inTime map[key]int64
	s.row.SentAfter, inTime = lateDatagrams(events, keys)
	for _, l := range s.layers {
		s.row.Datagrams += int(l.given.Load())
		s.row.Delivered += int(l.delivered.Load())
		for _, e := range l.opened() {
			s.row.DeliveredAfter += int(max(e.delivered.Load()-inTime[e.key], 0))
		}
	}
}

// judgeByScript takes the script for the truth: each stream closes in both directions, once.
func (s *scene) judgeByScript() {
	for _, l := range s.layers {
		expected := 2 * s.cell.Streams
		s.row.Closings.Expected += expected
		s.row.Closings.Missed += expected - int(l.closings.Load())
	}
}
