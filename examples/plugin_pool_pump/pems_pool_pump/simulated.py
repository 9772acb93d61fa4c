"""The plug and the pump as they are in a garden, for tests: a client of a real broker."""

import asyncio
import json
from dataclasses import dataclass

import aiomqtt


@dataclass
class SimulatedPlug:
    """Answers RPC, and tells its status after each command and every `every_s` seconds."""

    port: int
    """Of the broker."""
    name: str = "pool_pump"
    power_kw: float = 0.8
    every_s: float = 0.2
    deaf: bool = False
    """True: it takes commands and does not follow them."""
    on: bool = True
    energy_wh: float = 1000.0
    """Its counter starts somewhere."""

    async def run(self) -> None:
        async with aiomqtt.Client("127.0.0.1", self.port) as client, asyncio.TaskGroup() as tasks:
            await client.subscribe(f"{self.name}/rpc", qos=1)
            tasks.create_task(self._tell(client))
            async for message in client.messages:
                call = json.loads(bytes(message.payload))
                if call["method"] == "Switch.Set" and not self.deaf:
                    self.on = call["params"]["on"]
                await self._say_status(client)

    async def _tell(self, client: aiomqtt.Client) -> None:
        while True:
            await self._say_status(client)
            await asyncio.sleep(self.every_s)
            self.energy_wh += 1000 * self.power_kw * self.every_s / 3600 * self.on

    async def _say_status(self, client: aiomqtt.Client) -> None:
        status = {"id": 0, "output": self.on, "apower": 1000 * self.power_kw * self.on}
        await client.publish(
            f"{self.name}/status/switch:0", json.dumps({**status, "aenergy": {"total": self.energy_wh}})
        )
