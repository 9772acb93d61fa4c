/** A plan as steps, runs and what comes next. */

import { understood } from './reasons.js'
import { FLOWING_KW } from './house.js'

/** The steps of a plan that have not ended, each with every flow that the pages show. */
export function steps (plan, now = 0) {
  if (!plan?.starts) return []
  const inverter = Object.keys(plan.modes ?? {})[0]
  const heats = Object.keys(plan.flows ?? {}).filter((name) => `${name.slice(0, -3)}_c` in (plan.levels ?? {}))
  const at = (kind, name, t) => plan[kind]?.[name]?.[t] ?? null
  const own = (name, t) => (inverter ? at('flows', `${inverter}.${name}`, t) : null)
  return plan.starts
    .map((start, t) => ({
      t,
      start: Date.parse(start),
      end: Date.parse(plan.ends[t]),
      import_kw: at('flows', 'grid.import_kw', t),
      export_kw: at('flows', 'grid.export_kw', t),
      pv_kw: own('pv_kw', t) ?? pvAlone(plan, t),
      charge_kw: own('charge_kw', t),
      discharge_kw: own('discharge_kw', t),
      from_house_kw: own('from_house_kw', t),
      base_kw: at('flows', 'base_load_kw', t),
      heat_kw: heats.reduce((sum, name) => sum + plan.flows[name][t], 0),
      rooms_heating: heats.filter((name) => plan.flows[name][t] > FLOWING_KW).length,
      soc: inverter ? at('levels', `${inverter}.soc`, t) : null,
      mode: inverter ? at('modes', inverter, t) : null,
      import_price: at('prices', 'import_price_per_kwh', t),
      feed_in_price: at('prices', 'feed_in_price_per_kwh', t)
    }))
    .filter((step) => step.end > now)
}

function pvAlone (plan, t) {
  const found = Object.keys(plan.flows ?? {}).find((name) => name.endsWith('.pv_kw'))
  return found ? plan.flows[found][t] : null
}

/** What the battery does in a step: `grid_charge`, `sun_charge`, `sell`, `cover`, `hold` or `rest`. */
export function action (step) {
  const { charge_kw: charge = 0, discharge_kw: discharge = 0 } = step
  if (discharge > Math.max(charge, FLOWING_KW)) return step.export_kw > FLOWING_KW ? 'sell' : 'cover'
  if (charge > FLOWING_KW) return step.from_house_kw > FLOWING_KW ? 'grid_charge' : 'sun_charge'
  return step.mode === 'hold' ? 'hold' : 'rest'
}

/** Runs of steps in which the battery does the same; a quarter of an hour of rest does not end one. */
export function runs (list) {
  const found = []
  for (const step of list) {
    const doing = action(step)
    const last = found.at(-1)
    if (last && last.action === doing) last.end = step.end
    else found.push({ action: doing, start: step.start, end: step.end })
  }
  return found
}

export function stepAt (list, at) {
  return list.find((step) => step.start <= at && at < step.end) ?? null
}

/** The decisions of one control, in the order of time. */
export function decisionsOf (plan, device, control) {
  return (plan?.decisions ?? []).filter((one) => one.device === device && one.control === control)
}

/** What the inverter is to do from now on, each with its reason; the one that holds first. */
export function course (plan, device, now) {
  return decisionsOf(plan, device, 'mode').filter((one) => Date.parse(one.valid_until) > now)
}

/** The reasons that hold at an instant: that of the inverter, and those of rooms, the dearest first. */
export function reasonsAt (plan, at) {
  const holds = (one) => Date.parse(one.valid_from) <= at && at < Date.parse(one.valid_until)
  const holding = (plan?.decisions ?? []).filter((one) => one.reason && holds(one))
  const mode = holding.find((one) => one.control === 'mode') ?? null
  const byRoom = new Map()
  for (const one of holding) {
    const room = roomOf(one.control)
    if (room && !byRoom.has(room)) byRoom.set(room, { ...one, room })
  }
  const rooms = [...byRoom.values()].sort((a, b) => (b.saves ?? 0) - (a.saves ?? 0))
  return { mode, rooms }
}

export function roomOf (control) {
  const found = /^(.+)_(?:relay|setpoint_c)$/.exec(control)
  return found ? found[1] : null
}

/**
 * The sentence of what PEMS does and why, in two parts: what, and because.
 *
 * @param {{state: string, topics: object, inverter: string|null, powers: object, now: number}} seen
 * @returns {{key: string, params: object, reason: string, kind: string|null}}
 */
export function doing ({ state, topics, inverter, now }) {
  if (!['running', 'unhealthy'].includes(state)) return { key: `doing.${state}`, reason: '', kind: null, until: null }
  const byHand = topics[`override/${inverter}/mode`]
  if (byHand) return { key: 'doing.by_hand', reason: byHand.reason ?? '', kind: 'by_hand', until: byHand.until, by: byHand.by, value: byHand.value }
  const mode = topics[`decision/${inverter}/mode`]
  if (topics.status?.rung === 'release') return { key: 'doing.release', reason: topics.plan?.detail ?? '', kind: 'release', until: null }
  if (!mode) return { key: 'doing.nothing', reason: '', kind: null, until: null }
  const reason = understood(mode.reason ?? '')
  const list = steps(topics.plan, now)
  const run = runs(list)[0]
  const kind = reason?.kind ?? (run ? { grid_charge: 'grid_charging', sun_charge: 'storing_pv', sell: 'selling', cover: 'covering' }[run.action] : null)
  const until = run ? new Date(run.end).toISOString() : mode.valid_until
  return { key: kind ? `doing.${kind}` : `doing.mode.${mode.value}`, reason: mode.reason ?? '', kind, until, saves: mode.saves }
}

/** What comes next, in the order of time: what the battery will do, and when rooms are heated. */
export function upcoming (list, now, most = 4) {
  const battery = runs(list)
    .filter((run) => run.action !== 'rest' && run.end - run.start >= 900_000)
    .map((run) => ({ ...run, kind: run.action }))
  const heating = []
  for (const step of list) {
    if (step.heat_kw < 0.2) continue
    const last = heating.at(-1)
    const kwh = (step.heat_kw * (step.end - step.start)) / 3_600_000
    if (last && step.start - last.end <= 3_600_000) Object.assign(last, { end: step.end, kwh: last.kwh + kwh })
    else heating.push({ kind: 'heat', start: step.start, end: step.end, kwh })
  }
  return [...battery, ...heating].filter((one) => one.start > now).sort((a, b) => a.start - b.start).slice(0, most)
}
