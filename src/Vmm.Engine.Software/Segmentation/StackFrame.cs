using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Segmentation;

/// <summary>
/// A stack on which a frame is built or from which one is taken, without touching RSP until the whole of it has worked.
/// False from a method: a fault was raised, return <see cref="SlowAccess.Failure"/>.
/// </summary>
internal unsafe ref struct StackFrame
{
    private readonly CpuState* _state;
    private readonly SegmentCache _segment;
    private readonly bool _is64Bit;
    private readonly bool _supervisor;
    private readonly ulong _mask;
    private readonly uint _errorCode;

    /// <summary>Offset of the top.</summary>
    public ulong Pointer;

    /// <param name="state">The processor.</param>
    /// <param name="segment">Stack segment; ignored in 64-bit mode.</param>
    /// <param name="pointer">Stack pointer.</param>
    /// <param name="is64Bit">Flat 64-bit stack.</param>
    /// <param name="cpl">Privilege level of the accesses; a level below the current one makes them supervisor accesses.</param>
    /// <param name="errorCode">Error code of a stack fault.</param>
    public StackFrame(CpuState* state, in SegmentCache segment, ulong pointer, bool is64Bit, int cpl, uint errorCode = 0)
    {
        _state = state;
        _segment = segment;
        _is64Bit = is64Bit;
        _supervisor = cpl < 3 && state->Cpl == 3;
        _mask = is64Bit ? ulong.MaxValue : segment.IsDefaultBig ? uint.MaxValue : ushort.MaxValue;
        _errorCode = errorCode;
        Pointer = pointer;
    }

    /// <summary>The current stack.</summary>
    public static StackFrame Current(CpuState* s) => new(s, s->Ss, s->Gpr.Rsp, ProcessorMode.Is64Bit(s), s->Cpl);

    public bool Push(ulong value, int size)
    {
        ulong pointer = (Pointer - (ulong)size) & _mask;
        if (!Check(pointer, size, out ulong linear))
        {
            return false;
        }

        bool done = size switch
        {
            2 => Store(linear, (ushort)value),
            4 => Store(linear, (uint)value),
            _ => Store(linear, value),
        };

        Pointer = pointer | (Pointer & ~_mask);
        return done;
    }

    public bool Pop(int size, out ulong value)
    {
        if (!Peek(0, size, out value))
        {
            return false;
        }

        Skip(size);
        return true;
    }

    /// <summary>Reads at a distance from the top.</summary>
    public readonly bool Peek(int distance, int size, out ulong value)
    {
        value = 0;
        if (!Check((Pointer + (ulong)distance) & _mask, size, out ulong linear))
        {
            return false;
        }

        switch (size)
        {
            case 2:
            {
                bool done = Load(linear, out ushort word);
                value = word;
                return done;
            }

            case 4:
            {
                bool done = Load(linear, out uint doubleword);
                value = doubleword;
                return done;
            }

            default:
                return Load(linear, out value);
        }
    }

    public void Skip(int bytes) => Pointer = ((Pointer + (ulong)bytes) & _mask) | (Pointer & ~_mask);

    /// <summary>Makes <see cref="Pointer"/> the stack pointer of the processor.</summary>
    public readonly void Commit() => _state->Gpr.Rsp = Pointer;

    private readonly bool Check(ulong pointer, int size, out ulong linear)
    {
        if (_is64Bit)
        {
            linear = pointer;
            if (ProcessorMode.IsCanonical(pointer) && ProcessorMode.IsCanonical(pointer + (ulong)size - 1))
            {
                return true;
            }
        }
        else
        {
            linear = (uint)(_segment.Base + pointer);
            if (SegmentedAddress.IsWithinLimit(_segment, pointer, size))
            {
                return true;
            }
        }

        LogicalProcessor.Of(_state).Mmu.Fail(Faults.Raise(_state, ExceptionVector.StackSegmentFault, _errorCode));
        return false;
    }

    private readonly bool Store<T>(ulong linear, T value) where T : unmanaged => _supervisor
        ? LogicalProcessor.Of(_state).Mmu.WriteSupervisor(linear, value)
        : LinearMemory.Store(_state, linear, value);

    private readonly bool Load<T>(ulong linear, out T value) where T : unmanaged => _supervisor
        ? LogicalProcessor.Of(_state).Mmu.ReadSupervisor(linear, out value)
        : LinearMemory.Load(_state, linear, out value);
}
