namespace Vmm.Kernel;

/// <summary>The current VMCS of a logical processor by field. Every access is checked: a failure is a fault of ours.</summary>
internal sealed class VmcsAccess(ILogicalProcessor processor)
{
    public ulong this[VmcsField field]
    {
        get
        {
            VmxResult result = processor.VmRead(field, out ulong value);
            return result.IsSuccess ? value : throw Failure("VMREAD", field, result);
        }

        set
        {
            VmxResult result = processor.VmWrite(field, value);
            if (!result.IsSuccess)
            {
                throw Failure("VMWRITE", field, result);
            }
        }
    }

    /// <summary>Writes a field for whose value an engine may have no means.</summary>
    /// <returns>False where it has none (<see cref="VmInstructionError.UnsupportedVmcsComponent"/>).</returns>
    public bool TryWrite(VmcsField field, ulong value)
    {
        VmxResult result = processor.VmWrite(field, value);
        return result.IsSuccess || (result == VmxResult.FailValid(VmInstructionError.UnsupportedVmcsComponent)
            ? false
            : throw Failure("VMWRITE", field, result));
    }

    /// <summary>Throws unless a VMX instruction succeeded.</summary>
    public static void Check(VmxResult result, string instruction)
    {
        if (!result.IsSuccess)
        {
            throw new VmxFailureException($"{instruction}: {result}.");
        }
    }

    private static VmxFailureException Failure(string instruction, VmcsField field, VmxResult result) => new($"{instruction} of {field}: {result}.");
}

/// <summary>A VMX instruction that failed, or an engine that cannot do what the kernel needs.</summary>
public sealed class VmxFailureException(string message) : Exception(message);
