'use strict'
// What people choose while PEMS is down: carried at once from the catalogue, ended in time, and handed to PEMS when it is back.

/** Choices that wait for PEMS, one for each control. Kept by whoever owns this, over a restart of Node-RED too. */
class ByHand {
  /** @param {object[]} kept what an earlier life left */
  constructor (kept = []) {
    this._choices = new Map(kept.map((choice) => [`${choice.device}/${choice.control}`, choice]))
  }

  get all () { return [...this._choices.values()] }

  /** Whether a person holds a device. */
  holds (device) { return this.all.some((choice) => choice.device === device) }

  /**
   * Choose an option of the catalogue.
   * @param {import('./house').House} house
   * @param {object} request as `override/set` takes it
   * @param {number} now [ms]
   * @returns {object} with the wire messages that bring it about
   * @throws {Error} if the catalogue has no such option
   */
  choose (house, request, now) {
    const place = `${request.device}/${request.control}`
    const known = house.devices[request.device]
    if (!known || !known.controls) throw new Error(`${place}: found no catalogue of ${request.device}; allowed: a device that PEMS has told of`)
    const control = known.controls.controls.find((one) => one.control === request.control)
    if (!control) {
      const names = known.controls.controls.map((one) => one.control).join(', ')
      throw new Error(`${place}: found no such control; allowed: ${names}`)
    }
    const option = control.options.find((one) => one.value === request.value)
    if (!option || option.wire.length === 0) {
      const values = control.options.map((one) => JSON.stringify(one.value)).join(', ')
      throw new Error(`${place}: found ${JSON.stringify(request.value)}; while PEMS is down allowed: ${values}`)
    }
    if (option.wire.some((message) => message.transport === 'modbus')) {
      throw new Error(`${place}: found a device behind Modbus, which only PEMS speaks; while PEMS is down allowed: its own panel`)
    }
    const until = request.until || new Date(house.clock(now) + request.for_minutes * 60000).toISOString()
    const choice = { ...request, until, wire: option.wire, set_at: new Date(house.clock(now)).toISOString() }
    delete choice.for_minutes
    this._choices.set(place, choice)
    return choice
  }

  /** End choices; which they were. */
  clear (device, control) {
    return this._take((choice) => ['', choice.device].includes(device) && ['', choice.control].includes(control))
  }

  /** Those whose time is over; they are forgotten. */
  ended (house, now) {
    const clock = house.clock(now)
    return this._take((choice) => Date.parse(choice.until) <= clock)
  }

  /** What PEMS is to be told now that it is back, as `override/set` takes it; forgotten by this. */
  handOver () {
    return this._take(() => true).map(({ device, control, value, until, by, reason }) =>
      ({ device, control, value, until, by, reason: reason || 'chosen while PEMS was down' }))
  }

  _take (which) {
    const taken = this.all.filter(which)
    for (const choice of taken) this._choices.delete(`${choice.device}/${choice.control}`)
    return taken
  }
}

module.exports = { ByHand }
