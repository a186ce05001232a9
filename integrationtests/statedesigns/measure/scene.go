package measure

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	quic "github.com/quic-go/quic-go"
)

const (
	// workers is how many streams the peer has open at a time, at most.
	workers = 100
	// cellTimeout bounds what a cell waits for, in the time of the cell.
	cellTimeout = 10 * time.Minute
	// slowness is how long the observer of the first stream takes in the workload SlowObserver.
	slowness = 5 * time.Millisecond
)

// A scene is a cell that is being played.
type scene struct {
	cell     Cell
	workload workload
	arm      *arm
	log      *log // nil if the cell is about cost
	row      Row

	pair             *pair
	client, observed *quic.Conn // the observed one is the server, but for 0-RTT
	layers           []*layer
	applications     sync.WaitGroup
}

// Run plays a cell. Those of kind Counts have to be run in a bubble of testing/synctest.
func Run(c Cell) Row {
	s := &scene{cell: c, row: Row{Cell: c, Build: Build}}
	if err := s.run(); err != nil {
		s.row.Failure = err.Error()
	}
	return s.row
}

func (s *scene) run() (err error) {
	if s.arm, err = newArm(s.cell.Arm); err != nil {
		return err
	}
	if s.cell.Kind != Cost {
		s.log = &log{watchRejection: s.cell.Workload == EarlyRejected}
	}
	if s.pair, err = newPair(s.cell); err != nil {
		return err
	}
	defer s.pair.close()
	ctx, cancel := context.WithTimeout(context.Background(), cellTimeout)
	defer cancel()
	if s.cell.Workload == EarlyRejected {
		return s.playRejection(ctx)
	}
	var ok bool
	if s.workload, ok = workloads(s.cell.Workload); !ok {
		return fmt.Errorf("unknown workload %q", s.cell.Workload)
	}
	return s.play(ctx)
}

// sleep waits for a time of the script.
func (s *scene) sleep(d time.Duration) { time.Sleep(d) }

// settle waits until everything that was sent has arrived and was reported, in spite of losses.
func (s *scene) settle() {
	s.sleep(2 * s.grace())
	if s.cell.Kind != Cost || s.cell.Workload == ConnectionClose {
		return
	}
	for range 40 { // the machine may be busy; designs that leak never get there
		if s.countLeft() == 0 {
			return
		}
		s.sleep(s.grace())
	}
}

// grace is how late a report may be.
func (s *scene) grace() time.Duration {
	if s.cell.Kind == Counts {
		return 10*time.Second + 20*s.cell.RTT
	}
	return 50 * time.Millisecond
}

// limit is how many streams the peer may have open.
func (s *scene) limit() int {
	if s.cell.Workload == Churn {
		return workers
	}
	return s.cell.Streams
}

func (s *scene) config() *quic.Config {
	return &quic.Config{
		EnableDatagrams: true, MaxIdleTimeout: cellTimeout, MaxIncomingStreams: int64(s.limit()),
		InitialConnectionReceiveWindow: 8 << 20,
	}
}

// play is the course of all cells but those of 0-RTT.
func (s *scene) play(ctx context.Context) (err error) {
	server := s.config()
	if s.log != nil {
		server.Tracer = tracer(s.log)
	}
	if s.client, s.observed, err = s.pair.connect(ctx, s.config(), server); err != nil {
		return err
	}
	s.settle()
	before := takeGauge()
	if s.cell.Arm != None {
		for range s.workload.layers {
			s.layers = append(s.layers, newLayer(s.observed, s.arm, s.log))
		}
	}
	accepting := make(chan struct{})
	go func() {
		defer close(accepting)
		s.accept(ctx)
	}()
	if len(s.layers) > 0 && s.cell.Workload == DatagramLoad {
		go s.layers[0].receiveDatagrams()
	}
	if err := s.playPeers(ctx); err != nil {
		return err
	}
	s.row.CPU = cpuTime() - before.cpu
	s.settle()
	s.applications.Wait()
	after := takeGauge()
	s.row.Mallocs = after.mallocs - before.mallocs
	s.row.Goroutines = after.goroutines - before.goroutines - 1 // that of accept
	s.row.Heap = heap() - before.heap
	s.countLeaks()
	if err := s.tryNextStream(ctx); err != nil {
		return err
	}
	s.end()
	<-accepting
	s.judge()
	return nil
}

// accept starts the application for each stream that the peer opens.
func (s *scene) accept(ctx context.Context) {
	for number := 0; ; number++ {
		stream, err := s.observed.AcceptStream(ctx)
		if err != nil {
			return
		}
		if number >= s.cell.Streams {
			stream.CancelRead(codeOwn) // the one beyond the limit
			stream.CancelWrite(codeOwn)
			continue
		}
		app, e := s.open(number, stream)
		if s.cell.Workload == ConnectionClose {
			continue // the application does nothing, and needs no goroutine for that
		}
		s.applications.Add(1)
		go func() {
			defer s.applications.Done()
			s.workload.application(s, number, app, e)
		}()
	}
}

// open gives a stream to the layers and logs the calls of the application.
func (s *scene) open(number int, stream *quic.Stream) (app application, e *entry) {
	app = stream
	k := key{id: stream.StreamID()}
	if s.log != nil {
		k.epoch = s.log.currentEpoch()
		s.log.add(event{kind: opened, key: k})
	}
	var pause time.Duration
	if s.cell.Workload == SlowObserver && number == 0 {
		pause = slowness
	}
	for _, l := range s.layers {
		app, e = l.open(stream, k, number, pause)
	}
	if s.log != nil {
		app = &loggedCalls{app, k, s.log}
	}
	return app, e
}

// playPeers opens the streams and plays the peer's side of them.
func (s *scene) playPeers(ctx context.Context) error {
	numbers := make(chan int)
	errs := make(chan error, workers)
	for range workers {
		go func() {
			for number := range numbers {
				stream, err := s.client.OpenStreamSync(ctx)
				if err != nil {
					errs <- fmt.Errorf("the peer cannot open stream %d: %w", number, err)
					return
				}
				s.workload.peer(s, int(stream.StreamID()/4), stream) // the number that accept knows
			}
			errs <- nil
		}()
	}
	feed := func() error {
		defer close(numbers)
		for number := range s.cell.Streams {
			select {
			case numbers <- number:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	}
	err := feed()
	for range workers {
		if e := <-errs; err == nil {
			err = e
		}
	}
	return err
}

// leftovers returns the entries that the layers have not forgotten.
func (s *scene) leftovers() (left []*entry) {
	for _, l := range s.layers {
		left = append(left, l.left()...)
	}
	return left
}

func (s *scene) countLeft() (n int) {
	for _, l := range s.layers {
		n += l.countLeft()
	}
	return n
}

// countLeaks counts those whose streams are over. Without a log the script says so.
func (s *scene) countLeaks() {
	if s.log == nil {
		if s.cell.Workload != ConnectionClose {
			s.row.Leaked = s.countLeft()
		}
		return
	}
	all := derive(s.log.all())
	for _, e := range s.leftovers() {
		if all[e.key].over() {
			s.row.Leaked++
		}
	}
}

// tryNextStream finds out whether the peer can open one more stream after all that were permitted at first.
func (s *scene) tryNextStream(ctx context.Context) error {
	if s.cell.Workload == ConnectionClose || s.cell.Workload == DatagramLoad || s.cell.Kind == Latency {
		return nil // its streams are still open
	}
	ctx, cancel := context.WithTimeout(ctx, 40*s.grace())
	defer cancel()
	stream, err := s.client.OpenStreamSync(ctx)
	if err != nil {
		s.row.NextStream = "no"
		return nil
	}
	s.row.NextStream = "yes"
	stream.CancelRead(codePeer)
	stream.CancelWrite(codePeer)
	s.sleep(2 * s.grace())
	return nil
}

// end closes the connection and measures what that costs the observed side.
func (s *scene) end() {
	before := takeGauge()
	peak := watchGoroutines()
	s.client.CloseWithError(0, "")
	<-s.observed.Context().Done()
	s.waitForClosings()
	s.row.CloseCPU = cpuTime() - before.cpu
	s.sleep(2 * s.grace())
	s.row.Peak = peak() - before.goroutines
	for _, l := range s.layers {
		s.row.Peak = max(s.row.Peak, int(l.peak.Load())-before.goroutines)
	}
	s.row.CloseMallocs = takeGauge().mallocs - before.mallocs
}

// waitForClosings waits until the layers know of the end of all streams, but not longer than a second: some never do.
func (s *scene) waitForClosings() {
	if s.cell.Kind == Counts || s.cell.Arm == ChannelUnread {
		return
	}
	for range 1000 {
		if s.countLeft() == 0 {
			return
		}
		s.sleep(time.Millisecond)
	}
}

// A gauge is a reading of the instruments.
type gauge struct {
	cpu        time.Duration
	mallocs    uint64
	goroutines int
	heap       int64
}

func takeGauge() gauge {
	h := heap()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return gauge{cpu: cpuTime(), mallocs: m.Mallocs, goroutines: runtime.NumGoroutine(), heap: h}
}

// heap returns the bytes that are reachable.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what the first one made unreachable by cleanups
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// watchGoroutines looks at the number of goroutines until it is asked for the highest.
func watchGoroutines() (peak func() int) {
	stop, result := make(chan struct{}), make(chan int)
	go func() {
		most := 0
		for {
			select {
			case <-stop:
				result <- most
				return
			default:
				most = max(most, runtime.NumGoroutine()-1)
				time.Sleep(100 * time.Microsecond)
			}
		}
	}()
	return func() int {
		close(stop)
		return <-result
	}
}
