using System.Runtime.InteropServices;
using Iced.Intel;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Tests.Harness;
using Vmm.Vmx;

namespace Vmm.Engine.Software.Tests.Segmentation;

/// <summary>
/// A processor outside VMX operation with architectural event delivery and system tables. Runs until HLT at CPL 0 or
/// shutdown. 32-bit protected mode without paging, or 64-bit mode with the first 4 MiB mapped to themselves.
/// </summary>
internal sealed unsafe class ProtectedMachine : IDisposable
{
    public const uint Code = 0x1_0000;
    public const uint UserCode = 0x1_4000;
    public const uint Handler = 0x1_8000;
    public const uint Data = 0x2_0000;
    public const uint Gdt = 0x3_0000;
    public const uint Idt = 0x3_2000;
    public const uint Tss = 0x3_4000;
    public const uint OtherTss = 0x3_5000;
    public const uint Ldt = 0x3_6000;
    public const uint KernelStack = 0x9000;
    public const uint UserStack = 0xA000;
    private const uint PageTables = 0x10_0000;

    // Selectors.
    public const ushort KernelCode = 0x08;
    public const ushort KernelData = 0x10;
    public const ushort UserCodeSelector = 0x1B;
    public const ushort UserData = 0x23;
    public const ushort TssSelector = 0x28; // 16 bytes in 64-bit mode
    public const ushort OtherTssSelector = 0x38;
    public const ushort Free = 0x40; // for the test

    private readonly FlatMemory _memory = new(4 << 20);

    /// <param name="bitness">32 or 64.</param>
    /// <param name="create">Makes the processor; without it, one that interprets.</param>
    public ProtectedMachine(int bitness = 32, Func<HostPhysicalMemory, LogicalProcessor>? create = null)
    {
        Bitness = bitness;
        HostPhysicalMemory memory = new(_memory);
        Processor = create?.Invoke(memory) ?? new LogicalProcessor(memory, new FixedTime(), 0);
        InitialState.Set(Processor, bitness, _memory);
        WriteTables();
        State->Gpr.Rsp = KernelStack;
        Fill(Handler, a => a.hlt());
    }

    public int Bitness { get; }

    public LogicalProcessor Processor { get; }

    /// <summary>All of physical memory.</summary>
    public Span<byte> Memory => _memory.Bytes;

    public CpuState* State => Processor.State;

    public bool IsShutDown => State->Activity == (byte)ActivityState.Shutdown;

    /// <summary>Whether the run ended in <see cref="Handler"/>.</summary>
    public bool HandlerRan => State->Rip == Handler + 1;

    public uint Word(ulong address) => MemoryMarshal.Read<uint>(_memory.Bytes[(int)address..]);

    public void Write<T>(ulong address, T value) where T : unmanaged => MemoryMarshal.Write(_memory.Bytes[(int)address..], value);

    /// <summary>An item on the current stack, of the mode's natural size.</summary>
    public ulong Stack(int index) => Bitness == 64
        ? MemoryMarshal.Read<ulong>(_memory.Bytes[(int)(State->Gpr.Rsp + (ulong)index * 8)..])
        : Word(State->Gpr.Rsp + (ulong)index * 4);

    public void Descriptor(ushort selector, ulong value) => Write(Gdt + (uint)(selector & ~7), value);

    public static ulong Segment(uint access, uint address = 0, uint limit = 0xF_FFFF, uint flags = 0xC) =>
        (limit & 0xFFFF) | (ulong)(address & 0xFF_FFFF) << 16 | (ulong)access << 40 | (ulong)(limit >> 16 & 15) << 48
        | (ulong)flags << 52 | (ulong)(address >> 24) << 56;

    public static ulong GateTo(ushort selector, uint offset, uint access, uint parameters = 0) =>
        (offset & 0xFFFF) | (ulong)selector << 16 | (ulong)parameters << 32 | (ulong)access << 40 | (ulong)(offset >> 16) << 48;

    /// <summary>An interrupt gate to <see cref="Handler"/> unless said otherwise.</summary>
    public void Gate(int vector, uint access = 0x8E, ushort selector = KernelCode, uint offset = Handler, uint stackTable = 0)
    {
        if (Bitness == 64)
        {
            Write(Idt + (uint)vector * 16, GateTo(selector, offset, access, stackTable));
            Write(Idt + (uint)vector * 16 + 8, 0UL);
        }
        else
        {
            Write(Idt + (uint)vector * 8, GateTo(selector, offset, access));
        }
    }

    public void Fill(uint address, Action<Assembler> code, int? bitness = null)
    {
        Assembler assembler = new(bitness ?? Bitness);
        code(assembler);
        using MemoryStream stream = new();
        assembler.Assemble(new StreamCodeWriter(stream), bitness == 16 ? 0 : address);
        stream.ToArray().CopyTo(_memory.Bytes[(int)address..]);
        Processor.Memory.AddressSpace.NoteWrite(address, (ulong)stream.Length);
    }

    public ProtectedMachine Run(Action<Assembler> code)
    {
        Fill(Code, a =>
        {
            code(a);
            a.hlt();
        });
        State->Activity = (byte)ActivityState.Active;
        State->Rip = Code;
        Interpreter.Run(Processor);
        return this;
    }

    /// <summary>Starts at <see cref="UserCode"/> with CPL 3.</summary>
    public ProtectedMachine RunUser(Action<Assembler> code)
    {
        Fill(UserCode, code);
        State->Cs = new SegmentCache { Selector = UserCodeSelector, Limit = uint.MaxValue, AccessRights = Bitness == 64 ? 0xA0FBu : 0xC0FB };
        State->Ss = new SegmentCache { Selector = UserData, Limit = uint.MaxValue, AccessRights = 0xC0F3 };
        State->Cpl = 3;
        State->Gpr.Rsp = UserStack;
        State->Rip = UserCode;
        Processor.StateLoaded();
        Interpreter.Run(Processor);
        return this;
    }

    public void Dispose()
    {
        Processor.Dispose();
        _memory.Dispose();
    }

    private void WriteTables()
    {
        uint flags = Bitness == 64 ? 0xAu : 0xC;
        Descriptor(KernelCode, Segment(0x9B, flags: flags));
        Descriptor(KernelData, Segment(0x93));
        Descriptor(UserCodeSelector, Segment(0xFB, flags: flags));
        Descriptor(UserData, Segment(0xF3));
        Descriptor(TssSelector, Segment(0x8B, Tss, 0x2067, 0));
        Descriptor(OtherTssSelector, Segment(0x89, OtherTss, 0x67, 0));
        State->GdtrBase = Gdt;
        State->GdtrLimit = 0xFFF;
        State->IdtrBase = Idt;
        State->IdtrLimit = 0xFFF;
        State->Tr = new SegmentCache { Selector = TssSelector, Base = Tss, Limit = 0x2067, AccessRights = 0x8B };
        if (Bitness == 64)
        {
            Write<ulong>(Tss + 4, KernelStack);
            Write<ulong>(Tss + 36, 0xB000); // IST1
        }
        else
        {
            Write(Tss + 4, KernelStack);
            Write<uint>(Tss + 8, KernelData);
            Write<ushort>(Tss + 102, 0x68);
        }

        Processor.StateLoaded();
    }
}
