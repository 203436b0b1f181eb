"""Ways in that an interface does not show: DNAT entries, balancers that forward to it, network ACLs before it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from orchestrator.emulator.world.model import (
    AclEntry,
    Balancer,
    ClassicBalancer,
    ClassicListener,
    ForwardEntry,
    Interface,
    Listener,
    NatGateway,
    NetworkAcl,
    Server,
    ServerGroup,
    WaysIn,
)
from orchestrator.emulator.world.origin import Dice, Origin, vswitch_of

_PORTS: Final = (22, 3389, 3306, 6379, 9200)


def make(origin: Origin, interfaces: Iterable[Interface]) -> WaysIn:
    """The ways in to the interfaces of a region whose groups have a door.

    The showcase has one of each kind, others some or none. Where the world has balancers that joined groups, these
    forward to servers; where not, balancers are added that joined none.
    """
    maker = _Maker(origin, origin.behind_doors(interfaces))
    return maker.made()


class _Maker:
    def __init__(self, origin: Origin, targets: Sequence[Interface]) -> None:
        self._origin = origin
        self._targets = targets

    def made(self) -> WaysIn:
        forwarding = self._fronts()
        return WaysIn(
            nat_gateways=self._nat_gateways(),
            network_acls=self._network_acls(),
            classic_balancers=self._classic_balancers(),
            balancers=forwarding.balancers,
            server_groups=forwarding.server_groups,
            forwards=forwarding.forwards,
        )

    def _happens(self, dice: Dice, chance: float) -> bool:
        rolled = dice.rng.random() < chance
        return bool(self._targets) and (self._origin.is_showcase or rolled)

    # --- NAT

    def _nat_gateways(self) -> tuple[NatGateway, ...]:
        """A gateway for the Internet with single ports, a range and a whole address; a second between networks."""
        dice = self._origin.dice("nat")
        if not self._happens(dice, 0.3):
            return ()
        vpc_id = self._targets[0].vpc_id
        inside = [one for one in self._targets if one.vpc_id == vpc_id]
        one, other, third = (dice.rng.choice(inside) for _ in range(3))
        address, whole = dice.public_address(), dice.public_address()
        port = dice.rng.choice(_PORTS)
        entries = (
            self._entry(dice, address, f"{20_000 + port}", one.private_ip, str(port)),
            self._entry(dice, address, "8000/8010", other.private_ip, "8000/8010"),
            self._entry(dice, whole, "any", third.private_ip, "any", "any"),
        )
        addresses = tuple((dice.new_id("eip"), one) for one in (address, whole))
        private = (self._entry(dice, "10.255.0.10", "22", one.private_ip, "22"),)
        return (
            self._gateway(dice, "nat-internet", vpc_id, "internet", addresses, entries),
            self._gateway(dice, "nat-private", vpc_id, "intranet", (), private),
        )

    def _gateway(
        self,
        dice: Dice,
        name: str,
        vpc_id: str,
        network_type: str,
        addresses: tuple[tuple[str, str], ...],
        entries: tuple[ForwardEntry, ...],
    ) -> NatGateway:
        return NatGateway(
            nat_gateway_id=dice.new_id("ngw"),
            name=name,
            vpc_id=vpc_id,
            vswitch_id=vswitch_of(vpc_id),
            network_type=network_type,
            addresses=addresses,
            forward_table_id=dice.new_id("ftb"),
            entries=entries,
        )

    def _entry(
        self,
        dice: Dice,
        external_ip: str,
        external_port: str,
        internal_ip: str,
        internal_port: str,
        protocol: str = "tcp",
    ) -> ForwardEntry:
        return ForwardEntry(
            dice.new_id("fwd"), external_ip, external_port, internal_ip, internal_port, protocol
        )

    # --- network ACLs

    def _network_acls(self) -> tuple[NetworkAcl, ...]:
        """One that lets everything pass, one that blocks SSH from outside, and one that is bound to nothing."""
        dice = self._origin.dice("network-acls")
        if not self._happens(dice, 0.25):
            return ()
        vpcs = list(dict.fromkeys(one.vpc_id for one in self._targets))
        everything = self._acl_entry(dice, "accept")
        blocked = (self._acl_entry(dice, "drop", "tcp", "22/22"), everything)
        blocks_last = dice.rng.random() < 0.5
        found = [
            NetworkAcl(
                network_acl_id=dice.new_id("nacl"),
                vpc_id=vpc_id,
                name="guard" if is_last and blocks_last else "open",
                vswitch_ids=(vswitch_of(vpc_id),),
                ingress=blocked if is_last and blocks_last else (everything,),
                egress=(everything,),
            )
            for vpc_id in vpcs
            for is_last in (vpc_id == vpcs[-1],)
        ]
        unbound = NetworkAcl(dice.new_id("nacl"), vpcs[0], "unbound", ingress=blocked, egress=(everything,))
        return (*found, unbound)

    def _acl_entry(self, dice: Dice, policy: str, protocol: str = "all", port: str = "-1/-1") -> AclEntry:
        return AclEntry(dice.new_id("nae"), policy, protocol, port)

    # --- classic balancers

    def _classic_balancers(self) -> tuple[ClassicBalancer, ...]:
        """One for each way to name servers: by default, in a group, as master and slave; and one without address."""
        dice = self._origin.dice("classic-balancers")
        if not self._happens(dice, 0.35):
            return ()
        made = [self._plain(dice), self._grouped(dice), self._mastered(dice), self._internal(dice)]
        return tuple(made if self._origin.is_showcase else dice.rng.sample(made, dice.rng.choice((1, 1, 2))))

    def _plain(self, dice: Dice) -> ClassicBalancer:
        port = dice.rng.choice(_PORTS)
        listeners = (ClassicListener(port, port), ClassicListener(80, 8080, "http", status="stopped"))
        servers = tuple(self._server(dice) for _ in range(2))
        return self._classic(dice, "clb-default", listeners, default_servers=servers)

    def _grouped(self, dice: Dice) -> ClassicBalancer:
        port = dice.rng.choice(_PORTS)
        servers = tuple(self._server(dice, port, kind="Eni") for _ in range(2))
        group = ServerGroup(dice.new_id("rsp"), "slb", servers, "interfaces")
        acl = (dice.new_id("acl"),)
        listeners = (
            ClassicListener(10_022, vserver_group_id=group.server_group_id),
            ClassicListener(443, protocol="https", vserver_group_id=group.server_group_id, acl_status="on",
                            acl_type="white", acl_ids=acl),
        )  # fmt: skip
        return self._classic(dice, "clb-vserver", listeners, vserver_groups=(group,))

    def _mastered(self, dice: Dice) -> ClassicBalancer:
        port = dice.rng.choice(_PORTS)
        servers = tuple(self._server(dice, port, role=role) for role in ("Master", "Slave"))
        group = ServerGroup(dice.new_id("msg"), "slb", servers, "master-slave")
        listeners = (ClassicListener(port, master_slave_group_id=group.server_group_id),)
        return self._classic(dice, "clb-master-slave", listeners, master_slave_groups=(group,))

    def _internal(self, dice: Dice) -> ClassicBalancer:
        port = dice.rng.choice(_PORTS)
        vpc_id = self._targets[0].vpc_id
        return ClassicBalancer(
            balancer_id=dice.new_id("lb"),
            name="clb-internal",
            address=f"10.{dice.rng.randrange(256)}.{dice.rng.randrange(256)}.{dice.rng.randrange(1, 255)}",
            address_type="intranet",
            vpc_id=vpc_id,
            vswitch_id=vswitch_of(vpc_id),
            listeners=(ClassicListener(port, port),),
            default_servers=(self._server(dice),),
        )

    def _classic(
        self,
        dice: Dice,
        name: str,
        listeners: tuple[ClassicListener, ...],
        *,
        default_servers: tuple[Server, ...] = (),
        vserver_groups: tuple[ServerGroup, ...] = (),
        master_slave_groups: tuple[ServerGroup, ...] = (),
    ) -> ClassicBalancer:
        return ClassicBalancer(
            balancer_id=dice.new_id("lb"),
            name=name,
            address=dice.public_address(),
            listeners=listeners,
            default_servers=default_servers,
            vserver_groups=vserver_groups,
            master_slave_groups=master_slave_groups,
        )

    # --- network and application balancers

    def _fronts(self) -> WaysIn:
        dice = self._origin.dice("fronts")
        balancers = list(self._origin.estate.balancers.values())
        added = []
        if not balancers and self._happens(dice, 0.3):
            added = [self._front(dice, "nlb", "Internet"), self._front(dice, "alb", "Internet")]
            added.append(self._front(dice, "nlb", "Intranet"))
        groups, forwards = [], {}
        for one in (*balancers, *added):
            for listener in one.listeners:
                if self._targets:
                    group = self._behind(dice, one, listener)
                    groups.append(group)
                    forwards[listener.listener_id] = group.server_group_id
        return WaysIn(balancers=tuple(added), server_groups=tuple(groups), forwards=forwards)

    def _front(self, dice: Dice, product: str, address_type: str) -> Balancer:
        """A balancer that joined no security group."""
        ports = (dice.rng.choice(_PORTS), 443) if product == "nlb" else (80, 9200)
        protocol = "TCP" if product == "nlb" else "HTTP"
        listeners = [Listener(dice.new_id("lsn"), protocol, port) for port in ports]
        return Balancer(
            balancer_id=dice.new_id(product),
            product=product,
            name=f"{product}-{address_type.lower()}",
            vpc_id=self._targets[0].vpc_id,
            address_type=address_type,
            listeners=tuple(listeners),
        )

    def _behind(self, dice: Dice, one: Balancer, listener: Listener) -> ServerGroup:
        """The servers of a listener: instances or interfaces of its VPC, or addresses. Port 0: the listener's."""
        near = [target for target in self._targets if target.vpc_id == one.vpc_id]
        kind = dice.rng.choice(("Ecs", "Eni", "Ip")) if near else "Ip"
        servers = tuple(
            self._server(dice, listener.port, kind=kind, among=near or self._targets)
            for _ in range(dice.rng.choice((1, 2)))
        )
        return ServerGroup(
            server_group_id=dice.new_id("sgp"),
            product=one.product,
            servers=servers,
            name=f"{one.name}-{listener.port}",
            vpc_id=one.vpc_id,
            kind="Ip" if kind == "Ip" else "Instance",
            protocol="TCP" if one.product == "nlb" else "HTTP",
            preserves_client=one.product == "nlb" and (kind != "Ip" or dice.rng.random() < 0.5),
            balancer_ids=(one.balancer_id,),
        )

    # --- servers

    def _server(
        self,
        dice: Dice,
        port: int = 0,
        *,
        kind: str = "Ecs",
        role: str = "",
        among: Sequence[Interface] = (),
    ) -> Server:
        target = dice.rng.choice(among or self._targets)
        ids = {"Ecs": target.instance_id, "Eni": target.interface_id, "Ip": target.private_ip}
        return Server(ids[kind], kind, target.private_ip, port, role=role)
