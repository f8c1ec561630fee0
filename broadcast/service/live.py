"""Live sound (现场喊话): one open microphone an officer, from the first look at its level to the evidence of what went out.

For whoever holds the other end (a page over a WebSocket, a command, the control room's sound card):

    view = await live.prepare(OpenLive(areas=…, minutes=10), by=officer)   # pre-listen: nothing is ordered, nothing goes out
    live.feed_opus(view.id, frames, by=officer)      # 20 ms Opus packets, mono, as WebCodecs makes them; or
    live.feed_pcm(view.id, data, by=officer)         # 48 kHz mono s16le, any length: encoded in a process of its own
    view = await live.open(view.id, by=officer)      # committed, head and boards published; state waiting → on_air
    live.mute(view.id, on=True, by=officer)          # cough: silence goes out in place of what is fed
    view = await live.close(view.id, by=officer)     # the last words (and an exercise's) still go out; then the order ends
    live.gone(view.id, by=officer)                   # the connection broke: held; `back` within 10 s, else it ends
    view = live.back(view.id, by=officer)
    view = live.view(view.id, by=officer)            # LiveView, cheap: level, lamp, who sounds, what is left
    view = await live.wait(view.id, by=officer, timeout_s=0.1)   # the same, a moment later or as soon as its state changes
    views = live.all()                               # every microphone, for the desk

`prepare` raises InvalidRequest, AreaNotGranted, RoleNotGranted, MicrophoneOpen (this officer has one), LiveBusy (somebody of at
least the same rank speaks there: `err.officer`), LiveOverBudget (with the numbers), NoSource. `open` raises LiveBusy, LiveOver,
BoardFull, StoreUnavailable, SpeechFailed (an exercise cannot say that it is one). Every call raises UnknownLive for a microphone
that is not this officer's, and `feed_*` BadSound for what is no sound; what comes after the end is dropped without a word.

`LiveView.state` is a LiveState, `LiveView.why` a LiveEnd; the lamp is `may_speak`: some speaker says that it sounds, and its chime
is over. Sound that is fed before is measured and, once ordered, sent: speakers that are there hear it.
"""
