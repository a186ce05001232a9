package measure

// lateDatagrams counts the datagrams of a log that left in a packet behind the FIN or RESET_STREAM of their stream, and
// those that arrived in time, by stream. keys says to which stream the datagrams of a size belong.
func lateDatagrams(events []event, keys map[int64]key) (sentAfter int, inTime map[key]int64) {
	all := make(truths)
	inTime = make(map[key]int64)
	for _, e := range events {
		k := keys[e.n]
		t := all[k]
		switch {
		case e.kind == sentDatagram && t != nil && t.closingPN >= 0 && e.pn > t.closingPN:
			sentAfter++
		case e.kind == receivedDatagram && (t == nil || t.demands[ReceiveClosed] == impossible):
			inTime[k]++
		}
		all.handle(e)
	}
	return sentAfter, inTime
}
