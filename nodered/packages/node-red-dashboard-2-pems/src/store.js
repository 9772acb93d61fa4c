/** The house as this browser knows it: one for all pages, fed by the hub through Dashboard's socket. */

import { computed, reactive, ref } from 'vue'

import { chosenLanguage, words } from './model/words.js'
import { formats } from './model/format.js'
import { condition, heatingNames, inverterName, overrides, powers, rooms } from './model/house.js'

const ANSWER_MS = 6_000
const TOAST_MS = 5_000

export const seen = reactive({
  connected: true,
  loaded: false,
  core: 'unknown',
  broker: null,
  may_ask: true,
  topics: {},
  samples: [],
  planned: [],
  alerts: [],
  errors: [],
  cycles: [],
  heartbeatAgeMs: null
})

const remembered = (key, otherwise) => {
  try {
    return localStorage.getItem(`pems.${key}`) ?? otherwise
  } catch {
    return otherwise
  }
}

/** What this browser was told to look like; "auto" follows the system and the node. */
export const choices = reactive({ theme: remembered('theme', 'auto'), language: remembered('language', 'auto'), nodeLanguage: 'auto' })

export function choose (key, value) {
  choices[key] = value
  try {
    localStorage.setItem(`pems.${key}`, value)
  } catch { /* a browser that keeps nothing forgets it with the page */ }
}

const wall = ref(Date.now())
/** The time of PEMS when this browser last heard it; its clock may be fast, as in a demo. */
const told = reactive({ at: 0, speed: 1, wall: 0, heartbeatAge: null })

export const language = computed(() => chosenLanguage(choices.language, choices.nodeLanguage, navigator.languages))
export const t = computed(() => words(language.value))
export const fmt = computed(() =>
  formats({ language: language.value, currency: currency.value, timezone: seen.topics.site?.timezone })
)
export const currency = computed(() => seen.topics.site?.currency ?? seen.topics.plan?.currency ?? '')
export const speech = computed(() => ({ t: t.value, fmt: fmt.value }))

/** The time of the house [ms]. */
export const now = computed(() => (told.at ? told.at + Math.max(0, wall.value - told.wall) * told.speed : wall.value))
export const state = computed(() => condition(seen))
export const inverter = computed(() => inverterName(seen.topics))
export const heatings = computed(() => heatingNames(seen.topics))
export const flows = computed(() => powers(seen.topics))
export const roomList = computed(() => rooms(seen.topics, now.value))
export const byHand = computed(() => overrides(seen.topics))

/** What was asked and is not answered yet, by topic of its answer; and what there is to say about it. */
export const asked = reactive({})
export const toast = reactive({ text: '', kind: '', shown: false })
let toastTimer = 0

export function say (text, kind = 'done') {
  Object.assign(toast, { text, kind, shown: true })
  clearTimeout(toastTimer)
  toastTimer = setTimeout(() => { toast.shown = false }, TOAST_MS)
}

let line = null

/** Listen through Dashboard's socket; once for each page of it. */
export function attach (socket, id, nodeLanguage) {
  choices.nodeLanguage = nodeLanguage || 'auto'
  const hello = () => {
    seen.connected = true
    socket.emit(`pems:hello:${id}`)
  }
  const all = ({ time, facts, ...rest }) => {
    Object.assign(seen, facts, rest, { loaded: time !== null })
    heard(time)
  }
  const changed = ({ time, changes }) => {
    seen.loaded = true
    for (const [key, value] of changes) change(key, value)
    heard(time)
  }
  const answered = ({ payload }) => {
    if (payload.ok) return
    for (const topic of Object.keys(asked)) delete asked[topic]
    say(payload.fault, 'error')
  }
  const gone = () => { seen.connected = false }
  const timer = setInterval(tick, 1000)
  socket.on('connect', hello)
  socket.on('disconnect', gone)
  socket.on('pems:all', all)
  socket.on('pems:changes', changed)
  socket.on('pems:answer', answered)
  line = { socket, id }
  hello()
  seen.connected = socket.connected
  return () => {
    clearInterval(timer)
    socket.off('connect', hello)
    socket.off('disconnect', gone)
    socket.off('pems:all', all)
    socket.off('pems:changes', changed)
    socket.off('pems:answer', answered)
  }
}

function tick () {
  wall.value = Date.now()
  seen.heartbeatAgeMs = told.heartbeatAge === null ? null : 1000 * told.heartbeatAge + wall.value - told.wall
  for (const [topic, since] of Object.entries(asked)) {
    if (wall.value - since > ANSWER_MS) {
      delete asked[topic]
      say(t.value('ask.unanswered'), 'warning')
    }
  }
}

function change (key, value) {
  if (key.startsWith('topics:')) {
    const topic = key.slice('topics:'.length)
    if (value === null) delete seen.topics[topic]
    else seen.topics[topic] = value
    delete asked[topic]
  } else if (key === 'sample') {
    seen.samples = [...seen.samples.slice(-320), value]
  } else {
    seen[key] = value
    if (key === 'errors') refused(value[0])
  }
}

/** PEMS' answer to something that it does not do. */
function refused (error) {
  const request = Object.keys(asked).length > 0 && /^(override|emergency)\//.test(error?.topic ?? '')
  if (!request) return
  for (const topic of Object.keys(asked)) delete asked[topic]
  say(error.faults?.join(' ') ?? t.value('ask.refused'), 'error')
}

function heard (time) {
  wall.value = Date.now()
  if (time === null) return
  Object.assign(told, { at: time.at, speed: time.speed, wall: wall.value, heartbeatAge: time.heartbeat_age_s })
  seen.heartbeatAgeMs = time.heartbeat_age_s === null ? null : 1000 * time.heartbeat_age_s
}

/**
 * Ask PEMS for something.
 *
 * @param {string} topic below the prefix, such as "override/set"
 * @param {object} payload as the MQTT contract has it
 * @param {string} answer the topic on which it is seen to be done
 */
export function ask (topic, payload, answer) {
  if (!seen.may_ask) {
    say(t.value('ask.read_only'), 'warning')
    return false
  }
  if (!line || !seen.connected) {
    say(t.value('ask.no_line'), 'error')
    return false
  }
  line.socket.emit('widget-action', line.id, { pems_asked: { topic, payload } })
  if (answer) asked[answer] = Date.now()
  return true
}

export function setOverride ({ device, control, value, minutes, reason }) {
  const said = { device, control, value, for_minutes: minutes, by: t.value('ask.by'), reason: reason || t.value('ask.reason') }
  return ask('override/set', said, `override/${device}/${control}`)
}

export function clearOverride ({ device, control }) {
  return ask('override/clear', { device, control, by: t.value('ask.by') }, `override/${device}/${control}`)
}

export function emergency (action, reason) {
  return ask('emergency/set', { action, by: t.value('ask.by'), reason }, 'emergency')
}

/** Somebody knows of what is wrong, and wants no more letters about it for a day. */
export function acknowledge ({ place, rule }) {
  return ask('alert/ack', { place, ...(rule ? { rule } : {}), by: t.value('ask.by') })
}
