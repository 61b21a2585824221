using Vmm.Engine.Software.Memory;
using Iced.Intel;
using Vmm.Engine.Software.Tests.Harness;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Software.Tests.Memory;

public sealed unsafe class DeviceMemoryTests
{
    private const ulong Device = 0x3000_0000;

    [Fact]
    public void Accesses_outside_of_memory_reach_the_device_in_their_width()
    {
        using TestMachine machine = new();
        Assert.Equal(0x4433_2211u, machine.Load<uint>(Device + 4));
        machine.Store<ushort>(Device + 2, 0xBEEF);
        Assert.Equal(
            [new DeviceAccess(false, Device + 4, Device + 4, 4, machine.DeviceValue), new DeviceAccess(true, Device + 2, Device + 2, 2, 0xBEEF)],
            machine.DeviceAccesses);
    }

    [Fact]
    public void A_wide_access_is_split_into_parts_that_devices_know()
    {
        using TestMachine machine = new();
        machine.Load<UInt128>(Device);
        Assert.Equal([(Device, 8), (Device + 8, 8)], machine.DeviceAccesses.Select(access => (access.Physical, access.Width)));
    }

    public static TheoryData<string> LockedInstructions => ["XCHG", "LOCK ADD", "LOCK XADD", "LOCK CMPXCHG", "LOCK BTS", "LOCK CMPXCHG8B", "LOCK CMPXCHG16B"];

    [Theory]
    [MemberData(nameof(LockedInstructions))]
    public void A_locked_instruction_reads_a_device_once_and_writes_it_once(string instruction)
    {
        using TestMachine machine = new();
        machine.State->Gpr.Rbx = Device;
        machine.Run(a => Assemble(a, instruction));
        Assert.Null(machine.Fault);
        (bool IsWrite, ulong Physical)[] expected = instruction == "LOCK CMPXCHG16B"
            ? [(false, Device), (false, Device + 8), (true, Device), (true, Device + 8)]
            : [(false, Device), (true, Device)];
        Assert.Equal(expected, machine.DeviceAccesses.Select(access => (access.IsWrite, access.Physical)));
    }

    [Fact]
    public void An_exchange_that_misses_the_TLB_is_right_in_memory_and_across_its_end()
    {
        using TestMachine machine = new();
        ulong border = (ulong)machine.Memory.Length;
        machine.Store<uint>(TestMachine.DataAddress, 0x1234_5678);
        machine.Store<byte>(border - 1, 0x99);
        machine.DeviceAccesses.Clear();
        machine.Processor.Mmu.FlushAll();
        machine.State->Gpr.Rcx = border - 1;
        machine.Run(a =>
        {
            a.mov(eax, 0x1111_2222);
            a.xchg(__dword_ptr[TestMachine.DataAddress], eax);
            a.mov(dx, 0x4433);
            a.xchg(__word_ptr[rcx], dx);
        });
        Assert.Equal(0x1234_5678UL, machine.State->Gpr.Rax);
        Assert.Equal(0x1111_2222u, machine.Load<uint>(TestMachine.DataAddress));
        Assert.Equal(0x1199, (ushort)machine.State->Gpr.Rdx);
        Assert.Equal(0x33, machine.Load<byte>(border - 1));
        Assert.Equal([(false, border), (true, border)], machine.DeviceAccesses.Select(access => (access.IsWrite, access.Physical)));
    }

    [Fact]
    public void A_write_to_ROM_goes_to_the_device_and_leaves_the_ROM()
    {
        using TestMachine machine = new(memorySize: 4 << 20, romSize: 0x1000);
        machine.Memory.Bytes[4 << 20] = 0x55;
        Assert.Equal(0x55, machine.Load<byte>(4 << 20));
        machine.Store<byte>(4 << 20, 1);
        Assert.Equal(0x55, machine.Load<byte>(4 << 20));
        Assert.Equal([new DeviceAccess(true, 4 << 20, 4 << 20, 1, 1)], machine.DeviceAccesses);
    }

    [Fact]
    public void An_access_from_memory_into_a_device_is_split_at_the_page()
    {
        using TestMachine machine = new();
        ulong border = (ulong)machine.Memory.Length;
        machine.Store(border - 2, 0x4433_2211u);
        Assert.Equal(0x2211, machine.Load<ushort>(border - 2));
        Assert.Equal([new DeviceAccess(true, border, border, 2, 0x4433)], machine.DeviceAccesses);
    }

    [Fact]
    public void Writes_mark_pages_dirty_again_after_tracking_restarts()
    {
        using TestMachine machine = new();
        machine.Store<byte>(TestMachine.DataAddress, 1);
        Assert.True(machine.Memory.IsDirty(TestMachine.DataAddress >> 12));
        machine.Memory.TrackDirty();
        machine.Processor.ProcessRequests();
        Assert.False(machine.Memory.IsDirty(TestMachine.DataAddress >> 12));
        machine.Load<byte>(TestMachine.DataAddress);
        Assert.False(machine.Memory.IsDirty(TestMachine.DataAddress >> 12));
        machine.Store<byte>(TestMachine.DataAddress, 1);
        Assert.True(machine.Memory.IsDirty(TestMachine.DataAddress >> 12));
    }

    [Fact]
    public void Pages_of_the_machine_are_physical_memory_too()
    {
        using TestMachine machine = new();
        Vmm.Vmx.HostPage page = machine.HostMemory.AllocatePage();
        page.Memory.Span[8] = 0x99;
        PhysicalAccess physical = new(machine.HostMemory.AddressSpace);
        Assert.Equal(0x99UL, physical.Read(page.PhysicalAddress + 8));
    }

    private static void Assemble(Assembler a, string instruction)
    {
        switch (instruction)
        {
            case "XCHG":
                a.xchg(__dword_ptr[rbx], eax);
                break;
            case "LOCK ADD":
                a.@lock.add(__dword_ptr[rbx], eax);
                break;
            case "LOCK XADD":
                a.@lock.xadd(__dword_ptr[rbx], eax);
                break;
            case "LOCK CMPXCHG":
                a.@lock.cmpxchg(__dword_ptr[rbx], ecx);
                break;
            case "LOCK BTS":
                a.@lock.bts(__dword_ptr[rbx], 3);
                break;
            case "LOCK CMPXCHG8B":
                a.@lock.cmpxchg8b(__qword_ptr[rbx]);
                break;
            default:
                a.@lock.cmpxchg16b(__xmmword_ptr[rbx]);
                break;
        }
    }
}
