'use strict'

/**
 * What the pages of a house know: the snapshots of `pems-house`, taken apart so that only what has changed goes out to
 * the browsers. Knows nothing of Node-RED.
 */

const KEPT_MS = 24 * 3_600_000
const MOST_CYCLES = 48
const TELL_TIME_EVERY_MS = 5_000

class Hub {
  constructor () {
    this.topics = {}
    this.samples = []
    this.planned = []
    this.cycles = []
    this.facts = { core: 'unknown', broker: null, may_ask: true, alerts: [], errors: [] }
    this.time = null
    this._words = {}
    this._toldAt = 0
  }

  /**
   * Take a snapshot.
   *
   * @param {object} house the payload of `pems-house`, as nodered/README.md has it
   * @param {number} wallMs the time of the wall
   * @returns {{time: object, changes: Array<[string, unknown]>}|null} what the browsers must learn; null if nothing
   */
  take (house, wallMs) {
    this.time = { at: house.at, speed: house.speed ?? 1, heartbeatAge: house.heartbeat_age_s ?? null, wall: wallMs }
    const changes = []
    const told = this._topics(house, changes)
    for (const gone of Object.keys(this.topics).filter((topic) => !told.has(topic))) {
      delete this.topics[gone]
      delete this._words[gone]
      changes.push([`topics:${gone}`, null])
    }
    const facts = { core: house.core, broker: house.connected, may_ask: house.may_ask !== false, alerts: house.alerts, errors: house.errors }
    for (const [name, found] of Object.entries(facts)) {
      if (!this._news(name, found)) continue
      this.facts[name] = found
      changes.push([name, found])
    }
    changes.push(...this._plan(house.plan), ...this._samples(house.samples ?? [], Date.parse(house.at)))
    if (!changes.length && wallMs - this._toldAt < TELL_TIME_EVERY_MS) return null
    this._toldAt = wallMs
    return { time: this._timeAt(wallMs), changes }
  }

  /** Everything, for a browser that has just come. */
  all (wallMs) {
    return {
      time: this._timeAt(wallMs),
      facts: this.facts,
      topics: this.topics,
      samples: this.samples,
      planned: this.planned,
      cycles: this.cycles
    }
  }

  /** What the node shows below itself in the editor. */
  badge () {
    if (this.time === null) return { fill: 'grey', shape: 'ring', text: 'nothing heard yet' }
    if (!this.facts.broker) return { fill: 'red', shape: 'ring', text: 'no broker' }
    if (this.facts.core !== 'running') return { fill: 'yellow', shape: 'ring', text: `PEMS is ${this.facts.core}` }
    return { fill: 'green', shape: 'dot', text: this.topics.status?.state ?? 'running' }
  }

  /** The time of PEMS as it is now, and how old the last heartbeat is [s]. */
  _timeAt (wallMs) {
    if (this.time === null) return null
    const { at, speed, heartbeatAge, wall } = this.time
    const ago = wallMs - wall
    return { at: Date.parse(at) + ago * speed, speed, heartbeat_age_s: heartbeatAge === null ? null : heartbeatAge + ago / 1000 }
  }

  _topics (house, changes) {
    const told = new Set()
    const tell = (topic, said) => {
      if (said === null || said === undefined) return
      told.add(topic)
      if (!this._news(topic, said)) return
      this.topics[topic] = slim(topic, said)
      changes.push([`topics:${topic}`, this.topics[topic]])
    }
    for (const topic of ['site', 'status', 'heartbeat', 'plan', 'price', 'savings', 'emergency']) tell(topic, house[topic])
    tell('state/site', house.site_state)
    for (const [name, device] of Object.entries(house.devices ?? {})) {
      for (const topic of ['state', 'comfort', 'controls', 'lease']) tell(`${topic}/${name}`, device[topic])
      for (const [control, said] of Object.entries(device.decisions)) tell(`decision/${name}/${control}`, said)
      for (const [control, said] of Object.entries(device.overrides)) tell(`override/${name}/${control}`, said)
    }
    for (const choice of house.by_hand ?? []) {
      const topic = `override/${choice.device}/${choice.control}`
      // PEMS' own word is the newer one once it is there.
      if (!told.has(topic)) tell(topic, { ...without(choice, 'wire'), from: choice.set_at, costs: null, without_pems: true })
    }
    return told
  }

  /** Whether this differs from what was told before; the same object never does. */
  _news (name, said) {
    const before = this._words[name]
    if (before && before.said === said) return false
    const text = JSON.stringify(said)
    this._words[name] = { said, text }
    return before?.text !== text
  }

  /** The plan before has been in force until this one was made: what it said of that time is what was planned. */
  _plan (plan) {
    if (!plan || this._last?.made_at === plan.made_at) return []
    this.cycles = [cycle(plan), ...this.cycles].slice(0, MOST_CYCLES)
    if (this._last) {
      const since = Date.parse(plan.made_at) - KEPT_MS
      this.planned = [...this.planned, ...stepsUntil(this._last, plan.made_at)].filter((step) => Date.parse(step.end) > since)
    }
    this._last = plan
    return [['cycles', this.cycles], ['planned', this.planned]]
  }

  _samples (samples, nowMs) {
    const past = (one) => Date.parse(one.at) <= nowMs
    // Before PEMS tells its time that of the wall is taken for it, which a simulated house may be far from.
    if (!this.samples.every(past)) {
      this.samples = samples.filter(past).map(compact).filter(Boolean)
      return [['samples', this.samples]]
    }
    const last = this.samples.at(-1)
    const fresh = samples.filter((one) => past(one) && (!last || one.at > last.at)).map(compact).filter(Boolean)
    if (!fresh.length) return []
    const since = Date.parse(fresh.at(-1).at) - KEPT_MS
    this.samples = [...this.samples, ...fresh].filter((one) => Date.parse(one.at) > since)
    return fresh.map((one) => ['sample', one])
  }
}

/** Without the messages of the wire: they are most of what is said, and no page shows them. */
function slim (topic, said) {
  if (topic.startsWith('decision/')) return without(said, 'wire')
  if (topic.startsWith('controls/')) {
    return {
      ...said,
      controls: said.controls.map((control) => ({
        ...control,
        options: (control.options ?? []).map((option) => option.value),
        // Only these can be chosen while PEMS is down.
        alone: (control.options ?? []).filter((option) => option.wire?.length).map((option) => option.value)
      }))
    }
  }
  return said
}

function without (said, key) {
  const { [key]: _, ...rest } = said
  return rest
}

function cycle (plan) {
  const { made_at, rung, detail, cost, bound, executed_cost, valid_until } = plan
  return { made_at, rung, detail, cost, bound, executed_cost, valid_until }
}

function stepsUntil (plan, until) {
  const steps = []
  const value = (kind, name, t) => plan[kind]?.[name]?.[t] ?? null
  const inverter = Object.keys(plan.modes ?? {})[0]
  const own = (kind, name, t) => (inverter ? value(kind, `${inverter}.${name}`, t) : null)
  const heats = Object.keys(plan.flows ?? {}).filter((name) => `${name.slice(0, -3)}_c` in (plan.levels ?? {}))
  for (let t = 0; t < plan.starts.length && plan.starts[t] < until; t++) {
    steps.push({
      start: plan.starts[t],
      end: plan.ends[t] < until ? plan.ends[t] : until,
      import_kw: value('flows', 'grid.import_kw', t),
      export_kw: value('flows', 'grid.export_kw', t),
      pv_kw: own('flows', 'pv_kw', t),
      charge_kw: own('flows', 'charge_kw', t),
      discharge_kw: own('flows', 'discharge_kw', t),
      base_kw: value('flows', 'base_load_kw', t),
      heat_kw: heats.reduce((sum, name) => sum + plan.flows[name][t], 0),
      soc: own('levels', 'soc', t),
      mode: inverter ? value('modes', inverter, t) : null,
      import_price: value('prices', 'import_price_per_kwh', t),
      feed_in_price: value('prices', 'feed_in_price_per_kwh', t)
    })
  }
  return steps
}

/** A sample of every point as one of the whole house; null while nothing is measured. */
function compact ({ at, points }) {
  const number = (name) => (typeof points[name] === 'number' ? points[name] : null)
  const names = Object.keys(points)
  const inverter = names.find((name) => name.endsWith('/soc'))?.slice(0, -'/soc'.length)
  const own = (name) => (inverter ? number(`${inverter}/${name}`) : null)
  const heats = names.filter((name) => name.endsWith('_power_kw') && number(name) !== null)
  if (!inverter && number('site/load_kw') === null) return null
  return {
    at,
    soc: own('soc'),
    pv_kw: number('site/pv_kw'),
    load_kw: number('site/load_kw'),
    import_kw: number('site/import_kw'),
    export_kw: number('site/export_kw'),
    charge_kw: own('charge_kw'),
    discharge_kw: own('discharge_kw'),
    heat_kw: heats.length ? heats.reduce((sum, name) => sum + points[name], 0) : null
  }
}

module.exports = { Hub }
